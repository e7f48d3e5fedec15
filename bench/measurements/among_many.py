"""What a session check costs among many sessions: two stacks in turn, alike but for how many sessions they keep."""

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
from bench.testbed.bulk_sessions import Crowd, Member
from bench.testbed.testbed import GET_SESSION, PERSON, Scene
from services.identity.store.engine import store_url
from tests.harness.whole import Stores, whole

STATES = ("from the database", "read again")
MANY = {
    state: f"a check {state} among many sessions costs, times one among few (wanted: 1.1 at most)" for state in STATES
}
ALIKE = {
    state: f"a check {state} among few sessions costs, times one among as few of another stack" for state in STATES
}
"""The noise of the method: what it makes of two stacks that differ in nothing."""
MANY_FROM_DATABASE, MANY_AGAIN = MANY.values()
TWIN = "few sessions: "

Costs = tuple[float, float]
"""The milliseconds that a check takes when nothing is cached, and when everything is."""


@dataclass(frozen=True)
class Side:
    """One of the two stacks: its gateway, and the sessions in its database. Few are new ones in each round."""

    gateway: str
    port: int
    crowd: Crowd
    many: Sequence[Member] = ()

    def members(self, number: int, count: int) -> Sequence[Member]:
        """Return sessions that no earlier round has read."""
        if self.many:
            return random.Random(number).sample(self.many, min(len(self.many), count))  # noqa: S311  # a sample for a measurement guards nothing
        self.crowd.remove()
        return self.crowd.add(count)


def among_many(scene: Scene, effort: Effort) -> Timings:
    """Return what a check costs among few sessions and among many, and what two stacks with few differ by."""
    crowd = scene.crowd
    crowd.remove()
    crowd.make_room()
    with _twin(scene) as few:
        ours = Side("gateway", scene.whole["gateway"].port, crowd)
        alike = _in_turn(scene, effort, few, ours)
        members = crowd.add(effort.many_sessions - 1)
        crowd.analyze()
        rounds = _in_turn(scene, effort, few, replace(ours, many=members))
    found: Timings = {}
    for place, state in enumerate(STATES):
        for size, side in ((effort.few_sessions, 0), (effort.many_sessions, 1)):
            found[f"a check among {size:,} sessions, {state}, ms"] = median(each[side][place] for each in rounds)
        found[ALIKE[state]] = median(theirs[place] / its[place] for its, theirs in alike)
        found[MANY[state]] = median(theirs[place] / its[place] for its, theirs in rounds)
    return found


def _in_turn(scene: Scene, effort: Effort, *sides: Side) -> list[list[Costs]]:
    """Return the costs on each side, by rounds after a first one that does not count; every other begins at the end."""
    found = []
    for number in range(1 + effort.rounds):
        costs = {}
        for side in sides if number % 2 else reversed(sides):
            members = side.members(number, effort.few_sessions - 1)
            side.crowd.analyze()
            requests = [scene.check(each, port=side.port) for each in members]
            costs[side.gateway] = _cost(scene, effort, side.gateway, requests)
        found.append([costs[side.gateway] for side in sides])
    return found[1:]


def _cost(scene: Scene, effort: Effort, gateway: str, requests: list[Request]) -> Costs:
    scene.place("")
    first: Round = scene.generator.run("each_once", requests, effort.callers, 30.0)
    scene.place(gateway)  # a million rows are still being written out by the database
    again: Round = scene.generator.run("http", requests, effort.callers, effort.seconds)
    scene.place("")
    if first.failures or again.failures:
        raise RuntimeError(f"{first.failures + again.failures} checks failed")
    return 1000 / first.per_second, 1000 / again.per_second


@contextmanager
def _twin(scene: Scene) -> Iterator[Side]:
    """Run a stack with few sessions beside the first, in another database of the same servers."""
    stores = _beside(scene.stores)
    notifications = {"TRIVET_NOTIFICATIONS_ADDRESS": scene.whole["notifications"].address}
    with whole(stores, "identity", "cache", "gateway", TRIVET_LOG_LEVEL="WARNING", **notifications) as running:
        pids = {f"{TWIN}{name}": process.popen.pid for name, process in running.processes.items()}
        scene.pids.update(pids)
        try:
            session_id = asyncio.run(_session_of_a_person(running.url))
            yield Side(f"{TWIN}gateway", running["gateway"].port, Crowd(stores.sql, session_id))
        finally:
            for name in pids:
                del scene.pids[name]


def _beside(stores: Stores) -> Stores:
    """Return other databases on the same servers, the SQL one made; of SQLite another file."""
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


async def _session_of_a_person(url: str) -> str:
    async with httpx.AsyncClient(base_url=url, headers={"origin": url}, timeout=30) as browser:
        (await browser.post("/api/auth/sign-up/email", json=PERSON)).raise_for_status()
        found: str = (await browser.get(GET_SESSION)).json()["session"]["id"]
        return found
