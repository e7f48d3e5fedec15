"""More than can be done: what is too much is refused at once, what is dropped leaks nothing, the rest goes on."""

import asyncio
import json
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

import httpx
import pytest

from gateway.auth.protocol.limits import ACCOUNT
from services.identity.passwords.hashing import NICENESS, Hasher, HashingConfig
from tests.conftest import Engines
from tests.harness.clients import UNLIMITED, another_client
from tests.harness.metrics import metric
from tests.harness.people import FAST_HASHING, browser, credentials, new_email, sign_in, sign_up, signed_up
from tests.harness.waiting import until
from tests.harness.whole import Stores, Whole, whole

QUEUE = 4
FLOOD = 40
# An account has ten tries of its password in a minute: the flood of one account's sign-ins would not reach the queue.
ONE_AT_A_TIME = {"TRIVET_HASHING_WORKERS": "1", **UNLIMITED}
SLOW_HASHING = {"TRIVET_HASHING_MEMORY_KIB": "65536", "TRIVET_HASHING_PASSES": "3", **ONE_AT_A_TIME}


@pytest.fixture(scope="module")
def stores(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    database = tmp_path_factory.mktemp("overload") / "trivet.db"
    return Stores(f"sqlite:///{database}", engine.get("secantusdb").url, engine.get("valkey").url)


@pytest.fixture(scope="module")
def fast(stores: Stores) -> Iterator[Whole]:
    """The whole stack with passwords that cost little."""
    with whole(stores, **FAST_HASHING) as running:
        yield running


def memory_mib(running: Whole, name: str) -> float:
    """Return what the identity process holds now (VmRSS), or has held at most (VmHWM), in MiB."""
    status = Path(f"/proc/{running['identity'].popen.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def metric_of(running: Whole, process: str, name: str) -> Awaitable[float]:
    return metric(running.metrics_ports[process], name)


async def flood(running: Whole, email: str) -> list[httpx.Response]:
    """Sign in with the right password, many times at once, each on a connection of its own."""
    async with browser(running.url, connections=FLOOD) as attackers:
        return list(await asyncio.gather(*(sign_in(attackers, email) for _ in range(FLOOD))))


async def keep_asking(client: httpx.AsyncClient, path: str, until_done: asyncio.Event) -> list[httpx.Response]:
    answers = []
    while not until_done.is_set():
        answers.append(await client.get(path))
        await asyncio.sleep(0.01)  # a hundred a second is what is promised; more would take the machine's time
    return answers


async def test_a_flood_of_sign_ins_is_shed_and_checks_go_on(stores: Stores) -> None:
    """0 (b) to (d), R9: too many are 503 with Retry-After before any hashing; health and session checks never fail."""
    email, done = new_email(), asyncio.Event()
    with whole(stores, TRIVET_HASHING_QUEUE=str(QUEUE), **ONE_AT_A_TIME) as running:
        async with signed_up(running.url, email) as client:
            beside = [
                asyncio.create_task(keep_asking(client, path, done)) for path in ("/healthz", "/api/auth/get-session")
            ]
            before = memory_mib(running, "VmRSS")
            answers = await flood(running, email)
            done.set()
            for task in beside:
                assert {answer.status_code for answer in await task} == {200}
            assert (await client.get("/api/auth/get-session")).json()["user"]["email"] == email
            assert (await sign_in(client, email)).status_code == 200, "afterwards all is well"
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.status_code for answer in answers} == {200, 503}
        assert all(answer.headers["retry-after"] == "1" for answer in refused)
        shed = await metric_of(running, "identity", "trivet_hashing_shed_total")
        assert memory_mib(running, "VmHWM") < before + 1.2 * HashingConfig.memory_kib / 1024, "one hash at a time"
        assert FLOOD / 2 < shed <= len(refused), "the others had no place in the line"


async def test_without_the_bound_they_all_wait_until_it_is_too_late(stores: Stores) -> None:
    """R9 with the protection off: nobody is told to come back, and time runs out for those at the end of the line."""
    email = new_email()
    with whole(stores, TRIVET_HASHING_QUEUE="1000", **SLOW_HASHING) as running:
        async with signed_up(running.url, email):
            answers = await flood(running, email)
        refused = [answer for answer in answers if answer.status_code == 503]
        assert await metric_of(running, "identity", "trivet_hashing_shed_total") == 0
        assert refused
        waited = median(answer.elapsed.total_seconds() for answer in refused)
        assert waited > 1, "they waited for their whole deadline, but for a few that a busy database refused before"


async def test_hashing_leaves_the_loop_and_its_default_threads_free() -> None:
    """0.1, 0.2: it has threads of its own, which the scheduler takes last."""
    with Hasher(HashingConfig(64, 1, workers=2)) as hasher:
        await hasher.hash("a long enough password")
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("hashing")]
        assert threads
        assert threading.current_thread() not in threads
        for thread in threads:
            assert thread.native_id is not None
            assert os.getpriority(os.PRIO_PROCESS, thread.native_id) >= NICENESS


async def test_of_fifty_sign_ups_with_one_email_one_makes_an_account(fast: Whole, stores: Stores) -> None:
    """2.12: over HTTP, in two spellings of the address; the others are told that it is taken."""
    email = new_email()
    async with browser(fast.url) as client:
        spellings = (email, email.upper().replace("EXAMPLE.COM", "example.com"))
        answers = await asyncio.gather(*(sign_up(client, spellings[number % 2]) for number in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 49
    with closing(sqlite3.connect(Path(stores.sql.removeprefix("sqlite:///")))) as database:
        (accounts,) = database.execute("SELECT count(*) FROM users WHERE lower(email) = ?", (email,)).fetchone()
    assert accounts == 1


async def leave_in_the_middle(running: Whole, request: bytes) -> None:
    """Send a whole request and hang up without reading an answer."""
    host, port = running["gateway"].address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    writer.transport.abort()


def raw_request(running: Whole, method: str, path: str, cookies: str, body: bytes = b"") -> bytes:
    headers = {
        "host": running["gateway"].address,
        "origin": running.url,
        "cookie": cookies,
        "content-type": "application/json",
        "x-forwarded-for": another_client(),
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join((*lines, f"content-length: {len(body)}", "", "")).encode() + body


async def test_three_hundred_clients_that_leave_in_the_middle_leak_nothing(fast: Whole) -> None:
    """R6: no call stays in flight, every connection to the database is given back, and all is well."""
    email, others = new_email(), [new_email() for _ in range(ACCOUNT.requests)]
    async with signed_up(fast.url, email) as client, browser(fast.url) as another:
        for other in others:
            (await sign_up(another, other)).raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        for _ in range(ACCOUNT.requests):
            requests = [
                request
                for other in others
                for request in (
                    raw_request(fast, "POST", "/api/auth/sign-in/email", "", json.dumps(credentials(other)).encode()),
                    raw_request(fast, "GET", "/v1/me", cookies),
                    raw_request(fast, "GET", "/v1/users/me", cookies),
                )
            ]
            await asyncio.gather(*(leave_in_the_middle(fast, request) for request in requests))
        gauges = [(process, "trivet_rpc_in_flight") for process in ("identity", "notifications", "cache")]
        gauges += [("identity", "trivet_store_pool_in_use"), ("gateway", "trivet_http_in_flight")]
        for process, name in gauges:
            await until(is_zero(fast, process, name), 10)
        assert (await sign_in(client, email)).status_code == 200
        assert (await client.get("/v1/me")).status_code == 200


def is_zero(running: Whole, process: str, name: str) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return await metric_of(running, process, name) == 0

    return asked
