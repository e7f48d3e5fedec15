"""A near cache as any internal service installs one, at the end of a real Watch."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness.peers.proxy import Proxy
from tests.harness.processes import Process, client, process
from tests.harness.waiting import until
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import CachedReads, Metadata, NearCache, NearReads, watching

BACK_SECONDS = 10


@dataclass
class Program:
    """An internal service that keeps prices in the cache, and reads them through a near cache of its own."""

    stub: CacheServiceStub
    near: NearCache
    prices: NearReads[str]
    asked: int = 0

    async def price(self) -> str | None:
        return await self.prices.get("apple", self._look_up)

    async def _look_up(self, lease: Metadata) -> str:
        """Ask the owner, which is this program itself: the price is how often it was asked."""
        self.asked += 1
        for _, text in lease:  # none where the cache did not answer
            epoch, _, offset = text.rpartition(":")
            position = pb.Position(epoch=epoch, offset=int(offset))
            entry = pb.Entry(key="apple", value=b"%d" % self.asked, tags=["fruit"], lease=position)
            await self.stub.Set(pb.SetRequest(namespace="prices", entry=entry))
        return str(self.asked)

    async def held(self) -> str | None:
        """Read until the price is held in memory; return it."""
        await until(self._is_held, BACK_SECONDS)
        return self.prices.peek("apple")

    async def _is_held(self) -> bool:
        await self.price()
        return self.prices.peek("apple") is not None

    async def changed(self) -> pb.InvalidateResponse:
        return await self.stub.Invalidate(pb.InvalidateRequest(tags=["fruit"]))


@asynccontextmanager
async def program(running: Process, **near: tuple[str, ...]) -> AsyncIterator[Program]:
    """Run a program called `tests` until its near cache is alive."""
    async with client(running) as channel:
        stub, held = CacheServiceStub(channel), NearCache(**near)  # type: ignore[arg-type]  # `unsafe` alone
        async with watching(stub, held):
            await until(lambda: held.is_live, BACK_SECONDS)
            yield Program(stub, held, NearReads(CachedReads(stub, held), "prices", lambda value: value.decode()))


@pytest.fixture
async def cache(engine: Engines) -> AsyncIterator[Process]:
    with process("cache", REDIS_URL=engine.get("valkey").url, TRIVET_CACHE_PREFIX=f"t:{new_id()}:") as running:
        yield running


async def test_a_hit_in_memory_makes_no_call_and_a_confirmed_change_is_seen_at_once(cache: Process) -> None:
    async with program(cache) as one, program(cache) as other:
        confirmed = 0
        while confirmed < 10:
            assert await one.held() == await other.held()
            if (await other.changed()).confirmed:
                assert [one.prices.peek("apple"), other.prices.peek("apple")] == [None, None]
                confirmed += 1


async def test_with_watch_ignored_a_confirmed_change_is_not_seen(cache: Process) -> None:
    """The protection off."""
    async with program(cache, unsafe=("ignore_watch",)) as one, program(cache) as other:
        await one.held()
        while not (await other.changed()).confirmed:
            continue
        assert one.prices.peek("apple") is not None


async def test_a_reader_that_is_cut_off_stops_serving_and_comes_back_with_what_it_missed(cache: Process) -> None:
    """R13: what it holds and nobody has changed is served again without a call."""
    async with Proxy(cache.address) as link:
        via = Process("cache", int(link.address.rpartition(":")[2]), cache.environment, cache.log)
        async with program(via) as one, program(cache) as other:
            await one.held()
            link.cut()
            await until(lambda: not one.near.is_live, BACK_SECONDS)
            assert one.prices.peek("apple") is None
            resets = one.near.resets
            link.restore()
            await until(lambda: one.near.is_live, BACK_SECONDS)
            assert (one.prices.peek("apple"), one.near.resets) == ("1", resets)
            link.cut()
            await until(lambda: not one.near.is_live, BACK_SECONDS)
            assert (await other.changed()).confirmed
            link.restore()
            await until(lambda: one.near.is_live, BACK_SECONDS)
            assert one.prices.peek("apple") is None


async def test_a_cache_service_that_begins_anew_makes_every_reader_drop_everything(cache: Process) -> None:
    """What was invalidated while it was away is not known to it."""
    async with program(cache) as one:
        await one.held()
        cache.kill()
        await until(lambda: not one.near.is_live, BACK_SECONDS)
        await asyncio.to_thread(cache.restore)
        await until(lambda: one.near.is_live, BACK_SECONDS)
        assert (len(one.near), one.prices.peek("apple")) == (0, None)
        assert await one.held() is not None


async def test_a_cache_service_that_hangs_keeps_nobody_serving(cache: Process) -> None:
    async with program(cache) as one:
        await one.held()
        cache.signal(signal.SIGSTOP)
        await until(lambda: not one.near.is_live, BACK_SECONDS)
        assert one.prices.peek("apple") is None
        cache.signal(signal.SIGCONT)
        assert await one.held() is not None
