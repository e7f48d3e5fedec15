"""Two replicas of a service behind one DNS name: calls go to both, and none fails when one ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from grpc import aio

from ops.keys.pair_keys import pair_key
from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness.metrics import metric
from tests.harness.peers.dns import resolving
from tests.harness.ports import free_port
from tests.harness.processes import SECRET, Process, process, wait_until_up
from tests.harness.waiting import end_all, until
from trivet.cache.v1.cache_pb2 import GetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.cache.v1.rate_limit_service_pb2 import AcquireRequest
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub
from trivet.client import Channel, Signer, connect, retry

HOSTS = ("127.0.0.1", "127.0.0.2")
NAME = "cache.example.internal"
CALLERS = 8
PAUSE_SECONDS = 0.002
"""Between two calls, so that the replicas are busy and not overloaded."""
RESTARTS = 6
MANY_RESTARTS = 60


class Replicas:
    """The replicas by their host, and a channel to their common name."""

    def __init__(self, processes: dict[str, Process], metrics_port: int, target: str) -> None:
        self.processes = processes
        self.target = target
        self._metrics_port = metrics_port

    def channel(self) -> Channel:
        return connect(self.target, "cache", Signer("tests", {"cache": pair_key(SECRET, "tests", "cache")}))

    async def handled(self) -> dict[str, float]:
        """Return how many calls each replica has answered, -1 for one that does not run."""
        return {host: await self._handled_by(host) for host in HOSTS}

    async def _handled_by(self, host: str) -> float:
        try:
            return await metric(self._metrics_port, "trivet_rpc_handled_total", host)
        except OSError:
            return -1

    async def both_are_called(self) -> bool:
        """Whether each has answered a call since its start."""
        return min((await self.handled()).values()) > 0


@pytest.fixture
async def replicas(engine: Engines) -> AsyncIterator[Replicas]:
    port, metrics_port = free_port(), free_port()
    given: dict[str, Any] = {"REDIS_URL": engine.get("valkey").url, "TRIVET_CACHE_PREFIX": f"t:{new_id()}:"}
    given["TRIVET_METRICS_PORT"] = str(metrics_port)
    async with AsyncExitStack() as stack:
        running = {host: stack.enter_context(process("cache", port=port, TRIVET_HOST=host, **given)) for host in HOSTS}
        resolver = await stack.enter_async_context(resolving(NAME, HOSTS))
        yield Replicas(running, metrics_port, f"dns://{resolver}/{NAME}:{port}")


class Calls:
    """Counts the answers and the failures of one RPC."""

    def __init__(self) -> None:
        self.answered = 0
        self.failed: Counter[str] = Counter()

    async def make(self, call: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await call()
                self.answered += 1
            except aio.AioRpcError as error:
                self.failed[f"{error.code().name}: {error.details()}"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def more(self, count: int = 200) -> None:
        wanted = self.answered + count
        await until(lambda: self.answered >= wanted, 30)


@asynccontextmanager
async def calling(call: Callable[[], Awaitable[object]]) -> AsyncIterator[Calls]:
    calls = Calls()
    tasks = [asyncio.create_task(calls.make(call)) for _ in range(CALLERS)]
    try:
        await calls.more()
        yield calls
    finally:
        await end_all(tasks)


async def test_calls_are_spread_over_the_replicas_of_a_name(replicas: Replicas) -> None:
    async with replicas.channel() as channel:
        get = partial(CacheServiceStub(channel).Get, GetRequest(namespace="things", key="nothing"))
        async with calling(get):
            await until(replicas.both_are_called, 30)
        before = await replicas.handled()
        for _ in range(100):
            await get()
        grown = [now - before[host] for host, now in (await replicas.handled()).items()]
        assert min(grown) >= 40


async def test_a_killed_replica_costs_no_call_that_can_be_repeated(replicas: Replicas) -> None:
    """And it is called again when it is back."""
    async with replicas.channel() as channel:
        get = partial(CacheServiceStub(channel).Get, GetRequest(namespace="things", key="nothing"))
        async with calling(get) as calls:
            killed = replicas.processes[HOSTS[1]]
            await until(replicas.both_are_called, 30)
            killed.kill()
            await calls.more()
            killed.start()
            await asyncio.to_thread(wait_until_up, killed)
            await until(replicas.both_are_called, 30)
        assert not calls.failed


@asynccontextmanager
async def restarted(
    replicas: Replicas, times: int = RESTARTS, *, until_one_fails: bool = False
) -> AsyncIterator[Calls]:
    """Restart the replicas by turns, while an RPC is called that must not be repeated."""
    request = AcquireRequest(rule="test", subject="one", limit=1_000_000)
    request.period.seconds = 60
    async with replicas.channel() as channel:
        async with calling(partial(RateLimitServiceStub(channel).Acquire, request)) as calls:
            for number in range(times):
                if until_one_fails and calls.failed:
                    break
                await until(replicas.both_are_called, 30)
                replica = replicas.processes[HOSTS[number % 2]]
                assert await asyncio.to_thread(replica.end) == 0
                replica.start()
                await asyncio.to_thread(wait_until_up, replica)
            await until(replicas.both_are_called, 30)
        yield calls


async def test_a_replica_that_drains_costs_no_call(replicas: Replicas) -> None:
    """R10: its clients are told first, and it accepts calls until none comes."""
    async with restarted(replicas) as calls:
        assert not calls.failed


@pytest.fixture
def _no_health_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    spread = retry.service_config

    def without(audience: str, target: str = "") -> str:
        return spread(audience, target).replace("healthCheckConfig", "ignored")

    monkeypatch.setattr("trivet.client.channel.service_config", without)


@pytest.mark.usefixtures("_no_health_is_watched")
async def test_without_the_notice_calls_are_lost(replicas: Replicas) -> None:
    """The protection off: a client learns of the end when the server has stopped. Not each end costs a call."""
    async with restarted(replicas, MANY_RESTARTS, until_one_fails=True) as calls:
        assert calls.failed


async def test_a_name_that_does_not_exist_is_unavailable(replicas: Replicas) -> None:
    unknown = replicas.target.replace(NAME, f"not-{NAME}")
    signer = Signer("tests", {"cache": pair_key(SECRET, "tests", "cache")})
    async with connect(unknown, "cache", signer, timeout=5) as channel:
        with pytest.raises(aio.AioRpcError) as failure:
            await CacheServiceStub(channel).Get(GetRequest(namespace="things", key="nothing"))
    assert failure.value.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
