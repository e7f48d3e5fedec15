"""What the cache answers while its Redis is hung, gone, full, read-only or not what it was, and after that.

Each test breaks a Redis of its own under a real cache process.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis

from services.cache.redis.store import READ_SECONDS
from tests.conftest import Engines
from tests.harness.ports import free_port
from tests.harness.processes import Process, client, process
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine
from tests.harness.waiting import taking, until
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Channel, reason_of

BACK_SECONDS = 3.0
# A read waits 80 ms for Redis and a write 300 ms. Far above that, and below the 2 s of the caller's deadline.
SOON_SECONDS = 1.5


@dataclass
class Cache:
    """A cache process, and what a service of the name `tests` does with it."""

    running: Process
    channel: Channel
    redis: Any  # redis-py types its commands for both of its clients at once

    def __post_init__(self) -> None:
        self.stub = CacheServiceStub(self.channel)

    async def get(self, key: str = "a") -> pb.Lookup:
        return (await self.stub.Get(pb.GetRequest(namespace="things", key=key), timeout=2)).lookup

    async def set(self, key: str = "a", value: bytes = b"v") -> bool:
        entry = pb.Entry(key=key, value=value, tags=["x"])
        return (await self.stub.Set(pb.SetRequest(namespace="things", entry=entry), timeout=2)).stored

    async def invalidate(self) -> pb.InvalidateResponse:
        return await self.stub.Invalidate(pb.InvalidateRequest(tags=["x"]), timeout=2)

    async def is_serving(self) -> bool:
        """What the health service says of the store now."""
        health: Any = health_pb2_grpc.HealthStub(self.channel)  # published without its methods
        answer = await health.Check(health_pb2.HealthCheckRequest(service="store"), timeout=2)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def is_not_serving(self) -> bool:
        return not await self.is_serving()

    async def knows_nothing(self) -> bool:
        return not (await self.get()).HasField("position")

    async def is_hit(self) -> bool:
        return (await self.get()).found

    async def holds_what_looks_fresh(self) -> bool:
        """Whether Redis itself holds the entry `a` with its tag not moved since."""
        epoch, *_ = (await self.redis.get("trivet:entry:tests/things:a")).split()
        ((_, event),) = await self.redis.xrevrange("trivet:stream", count=1)
        return event[b"epoch"] == epoch and await self.holds_tags_that_have_not_moved()

    async def holds_tags_that_have_not_moved(self) -> bool:
        """Whether, but for its epoch, the entry `a` that Redis holds looks fresh."""
        _, offset, *_ = (await self.redis.get("trivet:entry:tests/things:a")).split()
        return int(await self.redis.get("trivet:tag:tests/x")) <= int(offset)

    async def writes_fail(self) -> None:
        """Every RPC that is no read is UNAVAILABLE, soon, and says why."""
        increment = pb.IncrementRequest(namespace="things", key="n")
        delete = pb.DeleteRequest(namespace="things", key="a")
        calls = (self.set(), self.invalidate(), self.stub.Increment(increment), self.stub.Delete(delete))
        for call in calls:
            # An open breaker answers at once. The client itself tries three times, 50 to 150 ms apart.
            with taking(0, 3 * SOON_SECONDS), pytest.raises(aio.AioRpcError) as failure:
                await call
            assert failure.value.code() is StatusCode.UNAVAILABLE
            assert reason_of(failure.value) == "STORE_UNAVAILABLE"


@pytest.fixture
async def cache(redis_server: Engine) -> AsyncIterator[Cache]:
    with process("cache", REDIS_URL=redis_server.url) as running:
        async with client(running) as channel, Redis.from_url(redis_server.url) as redis:
            yield Cache(running, channel, redis)


def send(server: Engine, signum: signal.Signals) -> None:
    assert server.process is not None
    server.process.send_signal(signum)


def kill(server: Engine) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait()


async def test_a_hung_redis_is_a_miss_in_time_and_all_is_well_soon_after(redis_server: Engine, cache: Cache) -> None:
    """R3, R8: SIGSTOP."""
    assert await cache.set()
    send(redis_server, signal.SIGSTOP)
    for number in range(5):
        with taking(0 if number else READ_SECONDS / 2, SOON_SECONDS):  # the first one asks Redis
            lookup = await cache.get()
        assert not lookup.found
        assert not lookup.HasField("position")
    await cache.writes_fail()
    await until(cache.is_not_serving, 5)
    send(redis_server, signal.SIGCONT)
    await until(cache.is_serving, BACK_SECONDS)
    assert await cache.set("b")
    assert (await cache.get("b")).found


async def test_a_hang_without_a_lost_invalidation_costs_no_entry(redis_server: Engine, cache: Cache) -> None:
    assert await cache.set()
    send(redis_server, signal.SIGSTOP)
    for _ in range(5):
        assert await cache.knows_nothing()
    send(redis_server, signal.SIGCONT)
    await until(cache.is_hit, BACK_SECONDS)


async def test_a_paused_redis_is_a_miss_in_time(cache: Cache) -> None:
    """R3: CLIENT PAUSE."""
    await cache.redis.execute_command("CLIENT", "PAUSE", "1000")
    with taking(READ_SECONDS / 2, SOON_SECONDS):
        assert await cache.knows_nothing()
    await until(cache.is_serving, 1 + BACK_SECONDS)


async def test_an_open_breaker_costs_nothing_per_call(redis_server: Engine, cache: Cache) -> None:
    """R8: two hundred reads of a hung Redis take as long as a few time-outs, not as long as two hundred."""
    send(redis_server, signal.SIGSTOP)
    with taking(READ_SECONDS / 2, 200 * READ_SECONDS / 2):
        for _ in range(200):
            assert await cache.knows_nothing()


async def test_a_killed_redis_is_a_miss_and_its_return_is_noticed(redis_server: Engine, cache: Cache) -> None:
    """R14."""
    assert await cache.set()
    kill(redis_server)
    assert await cache.knows_nothing()
    await cache.writes_fail()
    await until(cache.is_not_serving, 5)
    redis_server.restart()
    await until(cache.is_serving, BACK_SECONDS)
    missed = await cache.get()
    assert not missed.found
    assert missed.HasField("position")
    assert await cache.set()
    assert await cache.is_hit()


async def test_a_redis_that_forgot_an_invalidation_is_not_believed(redis_server: Engine, cache: Cache) -> None:
    """R17: it restarts from a snapshot older than an acknowledged invalidation."""
    assert await cache.set()
    await cache.redis.execute_command("SAVE")
    assert (await cache.invalidate()).confirmed
    kill(redis_server)
    redis_server.restart()
    await until(cache.is_serving, BACK_SECONDS)
    await cache.redis.connection_pool.disconnect()
    assert await cache.holds_tags_that_have_not_moved()
    assert not await cache.is_hit()


async def test_an_invalidation_that_failed_is_made_good_before_anything_is_read(cache: Cache) -> None:
    """The write is refused and nothing else is wrong, so Redis goes on holding the old entry as fresh."""
    assert await cache.set()
    await cache.redis.config_set("min-replicas-to-write", 1)
    with pytest.raises(aio.AioRpcError) as failure:
        await cache.invalidate()
    assert failure.value.code() is StatusCode.UNAVAILABLE
    assert await cache.holds_what_looks_fresh()
    assert await cache.knows_nothing()
    await cache.redis.config_set("min-replicas-to-write", 0)
    await until(cache.is_serving, BACK_SECONDS)
    assert not await cache.is_hit()
    assert not await cache.holds_what_looks_fresh()


async def test_a_full_redis_takes_no_entry_but_every_invalidation(cache: Cache) -> None:
    """R14: maxmemory with noeviction. Refusing an invalidation for want of memory would leave what is stale."""
    assert await cache.set()
    await cache.redis.config_set("maxmemory", 1)
    with pytest.raises(aio.AioRpcError) as failure:
        await cache.set("b")
    assert failure.value.code() is StatusCode.UNAVAILABLE
    assert not (await cache.get("b")).found
    assert await cache.is_hit()
    assert (await cache.invalidate()).confirmed
    assert not await cache.is_hit()
    await cache.redis.config_set("maxmemory", 0)
    assert await cache.set("b")


async def test_a_redis_that_became_a_replica_is_not_read(cache: Cache) -> None:
    """R14, R17: what a replica holds may be behind."""
    assert await cache.set()
    await cache.redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    await cache.writes_fail()
    assert await cache.knows_nothing()
    await cache.redis.execute_command("REPLICAOF", "NO", "ONE")
    await until(cache.is_serving, BACK_SECONDS)
    assert not await cache.is_hit()  # another life of the server: nothing from before is believed
    assert await cache.set()


async def test_wrong_types_under_every_name_of_ours_are_never_an_internal_error(cache: Cache) -> None:
    """R14: an entry or tag of another type is a miss; without a stream there is no position."""
    assert await cache.set()
    for name in ("trivet:entry:tests/things:a", "trivet:tag:tests/x"):
        await cache.redis.delete(name)
        await cache.redis.sadd(name, "not ours")
        assert not await cache.is_hit()
        assert await cache.set()
        assert await cache.is_hit()
    await cache.redis.set("trivet:stream", "not ours")
    assert await cache.knows_nothing()
    with pytest.raises(aio.AioRpcError) as failure:
        await cache.set()
    assert failure.value.code() is StatusCode.UNAVAILABLE
    await cache.redis.delete("trivet:stream")
    assert await cache.set()


async def test_it_lives_without_redis_and_is_ready_once_redis_comes(redis_server: Engine) -> None:
    kill(redis_server)
    with process("cache", wait=False, REDIS_URL=redis_server.url) as running:
        async with client(running) as channel, Redis.from_url(redis_server.url) as redis:
            cache = Cache(running, channel, redis)
            await asyncio.wait_for(channel.channel_ready(), 10)
            assert await cache.knows_nothing()
            assert not await cache.is_serving()
            redis_server.restart()
            await until(cache.is_serving, BACK_SECONDS)
            assert await cache.set()


async def test_one_probe_at_a_time_looks_for_a_redis_that_does_not_answer() -> None:
    """R13: two hundred callers bring no crowd of connections."""
    open_now = most = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        while await reader.read(1_000):
            pass
        open_now -= 1
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as hung:
        url = f"redis://127.0.0.1:{hung.sockets[0].getsockname()[1]}/0"
        with process("cache", wait=False, REDIS_URL=url) as running:
            async with client(running) as channel, Redis.from_url(url) as redis:
                cache = Cache(running, channel, redis)
                await asyncio.wait_for(channel.channel_ready(), 10)
                await until(lambda: most > 0, 5)
                assert all(await asyncio.gather(*(cache.knows_nothing() for _ in range(200))))
        assert most == 1


def test_a_redis_cluster_is_refused_with_its_reason(tmp_path_factory: pytest.TempPathFactory, engine: Engines) -> None:
    assert engine.get("redis")
    port, folder = free_port(), tmp_path_factory.mktemp("cluster")
    command = [engines.find("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    with (
        engines.running(Engine("redis", ""), command, port, folder),
        process("cache", wait=False, REDIS_URL=f"redis://127.0.0.1:{port}/0") as running,
    ):
        assert running.popen.wait(20) == 2
        assert "Redis Cluster" in running.output()
        assert "Traceback" not in running.output()
