"""What near caches are told while Redis is hung, emptied, full or killed, and while cache processes come and go.

Each test breaks a Redis of its own under real cache processes.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from grpc import aio
from redis.asyncio import Redis

from tests.harness.peers.watching import Reader, watching
from tests.harness.processes import Process, client, process
from tests.harness.stores.engines import Engine
from tests.harness.waiting import until
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Channel

BACK_SECONDS = 3.0


@dataclass
class Cache:
    """A cache process, a channel to it, and a plain connection to its Redis."""

    running: Process
    channel: Channel
    redis: Any  # redis-py types its commands for both of its clients at once

    async def invalidate(self, *tags: str, within: float = 2.0) -> pb.InvalidateResponse:
        stub = CacheServiceStub(self.channel)
        return await stub.Invalidate(pb.InvalidateRequest(tags=tags or ("x",)), timeout=within)

    async def try_to_invalidate(self) -> bool:
        try:
            return (await self.invalidate()).confirmed
        except aio.AioRpcError:
            return False


@pytest.fixture
async def cache(redis_server: Engine) -> AsyncIterator[Cache]:
    async with AsyncExitStack() as stack:
        yield await opened(stack, redis_server)


async def opened(stack: AsyncExitStack, server: Engine) -> Cache:
    """Run a cache process over a Redis; its first invalidation has been confirmed."""
    running = stack.enter_context(process("cache", REDIS_URL=server.url))
    channel = await stack.enter_async_context(client(running))
    cache = Cache(running, channel, await stack.enter_async_context(Redis.from_url(server.url)))
    assert (await cache.invalidate()).confirmed
    return cache


def send(server: Engine, signum: signal.Signals) -> None:
    assert server.process is not None
    server.process.send_signal(signum)


async def is_echoed_again(reader: Reader) -> None:
    """Tick until one comes back."""
    ticks: list[int] = []

    async def ticked() -> bool:
        ticks.append(await reader.tick())
        return any(reader.has_echo(tick) for tick in ticks)

    await until(ticked, BACK_SECONDS)


async def test_a_hung_redis_echoes_nothing_and_the_stream_stays_open(redis_server: Engine, cache: Cache) -> None:
    """R14: SIGSTOP. Whoever cannot be told of what has happened must not go on serving."""
    async with watching(cache.channel) as reader:
        send(redis_server, signal.SIGSTOP)
        ticks = [await reader.tick() for _ in range(3)]
        await until(lambda: not reader.is_serving)
        assert not any(reader.has_echo(tick) for tick in ticks)
        send(redis_server, signal.SIGCONT)
        await is_echoed_again(reader)
        assert len(reader.resets) == 1


async def test_what_was_lost_in_a_hang_is_told_by_dropping_everything(redis_server: Engine, cache: Cache) -> None:
    """An invalidation that failed may be lost, so a new epoch begins before the next echo."""
    async with watching(cache.channel) as reader:
        send(redis_server, signal.SIGSTOP)
        assert not await cache.try_to_invalidate()
        send(redis_server, signal.SIGCONT)
        await is_echoed_again(reader)
        assert len(reader.resets) == 2
        assert reader.resets[0].epoch != reader.resets[1].epoch


@pytest.mark.parametrize("command", ["FLUSHALL", "DEL trivet:stream", "UNLINK trivet:watchers trivet:stream"])
async def test_a_stream_that_was_lost_is_told_by_dropping_everything(cache: Cache, command: str) -> None:
    """R14."""
    async with watching(cache.channel) as reader:
        await cache.redis.execute_command(*command.split())
        await reader.ticked()
        assert len(reader.resets) == 2
        assert reader.resets[0].epoch != reader.resets[1].epoch


async def test_a_full_redis_still_echoes_and_tells(cache: Cache) -> None:
    """R14: maxmemory with noeviction."""
    async with watching(cache.channel) as reader:
        await cache.redis.config_set("maxmemory", 1)
        assert (await cache.invalidate()).confirmed
        await reader.ticked()
        assert reader.tags == [["tests/x"]]
        assert len(reader.resets) == 1


async def test_a_redis_that_takes_no_writes_echoes_nothing(cache: Cache) -> None:
    """R17: an old primary that has lost its replicas may be behind a new one."""
    async with watching(cache.channel) as reader:
        await cache.redis.config_set("min-replicas-to-write", 1)
        tick = await reader.tick()
        await until(lambda: not reader.is_serving)
        assert not reader.has_echo(tick)
        await cache.redis.config_set("min-replicas-to-write", 0)
        await is_echoed_again(reader)


async def test_names_of_ours_that_hold_something_else_are_made_anew(cache: Cache) -> None:
    """R14: a wrong-type key under the name of what processes tell each other."""
    async with watching(cache.channel) as reader:
        await cache.redis.delete("trivet:watchers")
        await cache.redis.set("trivet:watchers", "not ours")
        assert (await cache.invalidate()).confirmed
        await cache.redis.delete("trivet:watchers")
        await cache.redis.rpush("trivet:watchers", "not ours")
        await reader.ticked()
        assert (await cache.invalidate()).confirmed


async def test_without_a_stream_there_is_no_echo(cache: Cache) -> None:
    """R14: a wrong-type key under the stream's name."""
    async with watching(cache.channel) as reader:
        await cache.redis.delete("trivet:stream")
        await cache.redis.set("trivet:stream", "not ours")
        tick = await reader.tick()
        await until(lambda: not reader.is_serving)
        assert not reader.has_echo(tick)
        await cache.redis.delete("trivet:stream")
        await is_echoed_again(reader)
        assert len(reader.resets) == 2


async def test_a_stream_outlives_what_a_call_is_given(redis_server: Engine) -> None:
    with process("cache", REDIS_URL=redis_server.url, TRIVET_CALL_LIMIT_SECONDS="0.2") as running:
        async with client(running) as channel, watching(channel) as reader:
            await until(lambda: not reader.is_serving)
            await reader.ticked()


async def test_a_redis_that_came_back_has_everything_dropped(redis_server: Engine, cache: Cache) -> None:
    async with watching(cache.channel) as reader:
        assert redis_server.process is not None
        redis_server.process.kill()
        redis_server.process.wait()
        redis_server.restart()
        await is_echoed_again(reader)
        assert len(reader.resets) == 2


async def test_a_process_that_drains_ends_its_streams_at_once(cache: Cache) -> None:
    async with watching(cache.channel) as reader:
        cache.running.signal(signal.SIGTERM)
        await until(reader.call.done)
        assert reader.is_serving  # until its lease is over: what it holds is no less true


async def test_whoever_a_former_process_let_serve_is_waited_for(redis_server: Engine, cache: Cache) -> None:
    """A process that was killed cannot tell of its readers, who serve on until their leases are over."""
    async with watching(cache.channel) as reader:
        await reader.ticked()
        cache.running.kill()
        with process("cache", REDIS_URL=redis_server.url) as another:
            async with client(another) as channel:
                answer = await CacheServiceStub(channel).Invalidate(pb.InvalidateRequest(tags=["x"]), timeout=2)
        assert answer.confirmed
        assert not reader.is_serving


async def test_two_processes_wait_for_each_others_readers(redis_server: Engine) -> None:
    async with AsyncExitStack() as stack:
        one, two = await opened(stack, redis_server), await opened(stack, redis_server)
        await one.invalidate()  # it has dropped what it held before the other's epoch
        async with watching(one.channel, applies=False) as slow, watching(one.channel) as quick:
            assert not (await two.invalidate(within=0.3)).confirmed
            assert slow.is_serving
            assert (await two.invalidate()).confirmed
            assert not slow.is_serving
            await quick.ticked()
            await until(lambda: len(quick.tags) == 2)


async def test_what_another_process_has_told_and_all_have_applied_is_confirmed_in_no_leases_time(
    redis_server: Engine,
) -> None:
    async with AsyncExitStack() as stack:
        one, two = await opened(stack, redis_server), await opened(stack, redis_server)
        assert (await one.invalidate()).confirmed
        async with watching(one.channel) as here, watching(two.channel) as there:
            asked = CacheServiceStub(two.channel).Invalidate(pb.InvalidateRequest(tags=["x"]), timeout=2)
            await until(lambda: there.tags == [["tests/x"]])
            await here.ticked()
            assert (await asked).confirmed
            assert here.is_serving
            assert there.is_serving
            assert here.tags == there.tags == [["tests/x"]]


async def test_a_process_that_is_gone_is_waited_for_once(redis_server: Engine) -> None:
    async with AsyncExitStack() as stack:
        one, two = await opened(stack, redis_server), await opened(stack, redis_server)
        assert (await one.invalidate()).confirmed
        async with watching(two.channel) as reader:
            two.running.kill()
            assert not (await one.invalidate(within=0.3)).confirmed
            assert (await one.invalidate()).confirmed
            assert not reader.is_serving
        await until(lambda: is_forgotten(one))
        assert (await one.invalidate(within=0.3)).confirmed


async def is_forgotten(cache: Cache) -> bool:
    return set(await cache.redis.hkeys("trivet:watchers")) == {b"kept-since"}
