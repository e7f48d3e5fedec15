"""Measures a session check among many sessions: two stacks in turn that differ only in their number of sessions."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import httpx
from sqlalchemy import create_engine, make_url, text

from bench.effort import Effort
from bench.load.http import Request
from bench.load.samples import Round
from bench.measurements.timings import Timings
from bench.testbed.bulk_sessions import BulkSession, BulkSessions
from bench.testbed.testbed import GET_SESSION, USER, Testbed
from services.identity.store.engine import store_url
from tests.harness.whole import Stores, whole

STATES = ("from the database", "read again")
MANY = {
    state: f"a check {state} among many sessions costs, times one among few (wanted: 1.1 at most)" for state in STATES
}
ALIKE = {
    state: f"a check {state} among few sessions costs, times one among as few of another stack" for state in STATES
}
"""The noise of the method: its result for two equal stacks."""
MANY_FROM_DATABASE, MANY_AGAIN = MANY.values()
TWIN = "few sessions: "

Costs = tuple[float, float]
"""The milliseconds of a check that is not cached, and of a cached one."""


@dataclass(frozen=True)
class Side:
    """One of the two stacks. Without `many`, each round adds new sessions."""

    gateway: str
    port: int
    bulk_sessions: BulkSessions
    many: Sequence[BulkSession] = ()

    def sessions(self, number: int, count: int) -> Sequence[BulkSession]:
        """Return sessions that no earlier round has read."""
        if self.many:
            return random.Random(number).sample(self.many, min(len(self.many), count))  # noqa: S311  # not for security
        self.bulk_sessions.remove()
        return self.bulk_sessions.add(count)


def among_many(testbed: Testbed, effort: Effort) -> Timings:
    """Return the cost of a check among few sessions and among many, and the noise of the method."""
    bulk_sessions = testbed.bulk_sessions
    bulk_sessions.remove()
    bulk_sessions.make_room()
    with _twin(testbed) as few:
        ours = Side("gateway", testbed.whole["gateway"].port, bulk_sessions)
        alike = _in_turn(testbed, effort, few, ours)
        sessions = bulk_sessions.add(effort.many_sessions - 1)
        bulk_sessions.analyze()
        rounds = _in_turn(testbed, effort, few, replace(ours, many=sessions))
    found: Timings = {}
    for index, state in enumerate(STATES):
        for size, side in ((effort.few_sessions, 0), (effort.many_sessions, 1)):
            found[f"a check among {size:,} sessions, {state}, ms"] = median(each[side][index] for each in rounds)
        found[ALIKE[state]] = median(theirs[index] / its[index] for its, theirs in alike)
        found[MANY[state]] = median(theirs[index] / its[index] for its, theirs in rounds)
    return found


def _in_turn(testbed: Testbed, effort: Effort, *sides: Side) -> list[list[Costs]]:
    """Return the costs of each side by round, without the first, a warm-up. Every other round has the reverse order."""
    found = []
    for number in range(1 + effort.rounds):
        costs = {}
        for side in sides if number % 2 else reversed(sides):
            sessions = side.sessions(number, effort.few_sessions - 1)
            side.bulk_sessions.analyze()
            requests = [testbed.check(each, port=side.port) for each in sessions]
            costs[side.gateway] = _cost(testbed, effort, side.gateway, requests)
        found.append([costs[side.gateway] for side in sides])
    return found[1:]


def _cost(testbed: Testbed, effort: Effort, gateway: str, requests: list[Request]) -> Costs:
    testbed.pin("")
    first: Round = testbed.generator.run("each_once", requests, effort.callers, 30.0)
    testbed.pin(gateway)  # the database still writes a million rows to disk
    again: Round = testbed.generator.run("http", requests, effort.callers, effort.seconds)
    testbed.pin("")
    if first.failures or again.failures:
        raise RuntimeError(f"{first.failures + again.failures} checks failed")
    return 1000 / first.per_second, 1000 / again.per_second


@contextmanager
def _twin(testbed: Testbed) -> Iterator[Side]:
    """Run a second stack with few sessions, in other databases of the same servers."""
    stores = _beside(testbed.stores)
    notifications = {"TRIVET_NOTIFICATIONS_ADDRESS": testbed.whole["notifications"].address}
    with whole(stores, "identity", "cache", "gateway", TRIVET_LOG_LEVEL="WARNING", **notifications) as running:
        pids = {f"{TWIN}{name}": process.popen.pid for name, process in running.processes.items()}
        testbed.pids.update(pids)
        try:
            session_id = asyncio.run(_sign_up(running.url))
            yield Side(f"{TWIN}gateway", running["gateway"].port, BulkSessions(stores.sql, session_id))
        finally:
            for name in pids:
                del testbed.pids[name]


def _beside(stores: Stores) -> Stores:
    """Return other databases on the same servers, and create the SQL one. For SQLite it is another file."""
    url = make_url(stores.sql)
    if url.get_backend_name() == "sqlite":
        name = str(Path(url.database or "").with_name("few.db"))
    else:
        name = "trivet_few"
        operator, arguments = store_url.parse(stores.sql).for_operator()
        engine = create_engine(operator, connect_args=arguments)
        with engine.begin() as connection:
            connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
        engine.dispose()
    redis = stores.redis.removesuffix("/0") + "/1"
    return replace(stores, sql=url.set(database=name).render_as_string(hide_password=False), redis=redis)


async def _sign_up(url: str) -> str:
    async with httpx.AsyncClient(base_url=url, headers={"origin": url}, timeout=30) as browser:
        (await browser.post("/api/auth/sign-up/email", json=USER)).raise_for_status()
        found: str = (await browser.get(GET_SESSION)).json()["session"]["id"]
        return found
