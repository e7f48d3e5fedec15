"""One store away, hung or dead, under all four processes: what needs it says so in time, the rest goes on."""

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from functools import partial

import httpx
import pymysql
import pytest
from redis.asyncio import Redis
from sqlalchemy.engine import make_url

from runtime.ids import token_hash
from tests.harness.metrics import metric
from tests.harness.people import FAST_HASHING, browser, credentials, new_email, sign_up, signed_up
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine
from tests.harness.waiting import taking, until
from tests.harness.whole import Stores, Whole, whole

DEADLINE = 5.0  # of a request at the gateway
LATEST = 3 * DEADLINE
BACK_SECONDS = 3.0
AT_ONCE = 10
ACCOUNTS = 20
"""How many people sign in by turns: an account has ten tries of its password in a minute."""
CALLS = {
    "alive": ("GET", "/healthz"),
    "session": ("GET", "/api/auth/get-session"),
    "sign in": ("POST", "/api/auth/sign-in/email"),
    "notifications": ("GET", "/v1/notifications"),
}
OWNERS = {"sql": "identity", "mongodb": "notifications", "redis": "cache"}
NEEDED_BY = {"sql": {"sign in"}, "mongodb": {"notifications"}, "redis": set[str]()}
"""Which of the calls cannot be answered without a store. A session is in Redis as well as in SQL: either will do."""


@dataclass
class Scene:
    """The whole stack on stores of its own, and somebody who is signed in."""

    running: Whole
    stores: dict[str, Engine]
    browser: httpx.AsyncClient
    emails: Iterator[str]

    async def call(self, name: str) -> httpx.Response:
        """Make a call; whatever becomes of it, in time."""
        method, path = CALLS[name]
        body = credentials(next(self.emails)) if method == "POST" else None
        with taking(0, LATEST):
            return await self.browser.request(method, path, json=body)

    async def is_well(self) -> bool:
        """Whether every call is answered, and the gateway finds everything ready."""
        whole = (await self.browser.get("/readyz")).json()["status"] == "ok"
        return whole and all([(await self.call(name)).status_code == 200 for name in CALLS])

    async def is_degraded(self, store: str) -> bool:
        """Whether the gateway says whose store is away; it is unready without identity alone."""
        answer = await self.browser.get("/readyz")
        told = (answer.status_code, answer.json()["degraded"])
        return told == (503 if store == "sql" else 200, [OWNERS[store]])

    async def session_is_cached(self) -> bool:
        """Whether the session of this browser is in Redis."""
        session = (await self.browser.get("/api/auth/get-session")).json()["session"]
        key = token_hash(session["token"]).encode()
        async with Redis.from_url(self.stores["redis"].url) as redis:
            return any([key in name async for name in redis.scan_iter()])

    async def dropped_log_lines(self) -> float:
        return await metric(self.running.metrics_ports["gateway"], "trivet_request_log_dropped_total")


@pytest.fixture(scope="module")
def stores() -> Iterator[dict[str, Engine]]:
    """Stores that these tests alone use: they are killed."""
    with ExitStack() as stack:
        own = {"sql": engines.mariadb, "mongodb": engines.secantusdb, "redis": engines.valkey}
        yield {name: stack.enter_context(start()) for name, start in own.items()}


@pytest.fixture(scope="module")
def running(stores: dict[str, Engine]) -> Iterator[Whole]:
    where = Stores(*(stores[name].url for name in ("sql", "mongodb", "redis")))
    with whole(where, **FAST_HASHING, TRIVET_LOG_HITS_EVERY="1") as processes:
        yield processes


@pytest.fixture(scope="module")
async def accounts(running: Whole) -> list[str]:
    """The email addresses of those who sign in."""
    emails = [new_email() for _ in range(ACCOUNTS)]
    async with browser(running.url) as client:
        for email in emails:
            (await sign_up(client, email)).raise_for_status()
    return emails


@pytest.fixture
async def scene(running: Whole, stores: dict[str, Engine], accounts: list[str]) -> AsyncIterator[Scene]:
    async with signed_up(running.url, new_email()) as client:
        scene = Scene(running, stores, client, itertools.cycle(accounts))
        await until(scene.is_well, 10)
        await until(scene.session_is_cached, 5)
        yield scene


def strike(store: Engine, fault: signal.Signals) -> None:
    assert store.process is not None
    store.process.send_signal(fault)
    if fault is signal.SIGKILL:
        store.process.wait()


async def bring_back(store: Engine, fault: signal.Signals) -> None:
    assert store.process is not None
    if fault is signal.SIGSTOP:
        store.process.send_signal(signal.SIGCONT)
    else:
        await asyncio.to_thread(store.restart)


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "killed"])
@pytest.mark.parametrize("name", NEEDED_BY)
async def test_a_store_that_is_away_costs_only_what_needs_it(scene: Scene, name: str, fault: signal.Signals) -> None:
    """R3, R14, 2.12: what needs it is 503 within the deadline, and all is well soon after its return."""
    store, before = scene.stores[name], {each: it.popen.pid for each, it in scene.running.processes.items()}
    strike(store, fault)
    try:
        answers = await asyncio.gather(*(scene.call(call) for call in CALLS for _ in range(AT_ONCE)))
        for call, answer in zip((call for call in CALLS for _ in range(AT_ONCE)), answers, strict=True):
            assert answer.status_code == (503 if call in NEEDED_BY[name] else 200), (call, answer.text)
        assert all(answer.json() is not None for answer in answers), "a session was lost"
        if fault is signal.SIGSTOP and NEEDED_BY[name]:
            waited = [answer.elapsed.total_seconds() for answer in answers if answer.status_code == 503]
            assert max(waited) > DEADLINE / 10, "a store that hangs is waited for"
        await until(partial(scene.is_degraded, name), 5)
    finally:
        await bring_back(store, fault)
    assert await until(scene.is_well, BACK_SECONDS) < BACK_SECONDS
    assert {each: it.popen.pid for each, it in scene.running.processes.items() if it.popen.poll() is None} == before


async def test_log_lines_that_no_store_took_are_counted(scene: Scene) -> None:
    """2.12, R22: without MongoDB requests go on; each one's line is counted as lost, and none is once it is back."""
    store, requests, before = scene.stores["mongodb"], 20, await scene.dropped_log_lines()
    strike(store, signal.SIGKILL)
    try:
        answers = await asyncio.gather(*(scene.call("session") for _ in range(requests)))
        assert {answer.status_code for answer in answers} == {200}

        async def all_are_counted() -> bool:
            return await scene.dropped_log_lines() >= before + requests

        await until(all_are_counted, 10)
    finally:
        await bring_back(store, signal.SIGKILL)
    await until(scene.is_well, BACK_SECONDS)
    settled = await scene.dropped_log_lines()
    await scene.call("session")
    waiting = "trivet_request_log_waiting"

    async def is_sent() -> bool:
        return await metric(scene.running.metrics_ports["gateway"], waiting) == 0

    await until(is_sent, 5)
    assert await scene.dropped_log_lines() == settled


async def test_a_pool_that_is_used_up_refuses_in_time_and_recovers(scene: Scene) -> None:
    """R3, R21: every connection waits for a lock of somebody else's; sessions in Redis are still checked."""
    url = make_url(scene.stores["sql"].url)
    assert url.host is not None
    locker = pymysql.connect(host=url.host, port=url.port or 0, user=url.username, password=str(url.password))
    async with AsyncExitStack() as stack:
        stack.callback(locker.close)
        locker.cursor().execute("FLUSH TABLES WITH READ LOCK")
        waiting = [asyncio.create_task(scene.call("sign in")) for _ in range(40)]
        checks = await asyncio.gather(*(scene.call("session") for _ in range(AT_ONCE)))
        assert {check.status_code for check in checks} == {200}
        assert {(await each).status_code for each in waiting} == {503}
    assert await until(scene.is_well, BACK_SECONDS) < BACK_SECONDS

    async def all_are_returned() -> bool:
        return await metric(scene.running.metrics_ports["identity"], "trivet_store_pool_in_use") == 0

    await until(all_are_returned, 5)
