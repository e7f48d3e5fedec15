"""A reader that says nothing holds its place for a while only."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar, cast

import pytest
from google.protobuf.message import Message

from runtime.rpc.actor import current_actor
from runtime.rpc.interceptor_chain import Context
from services.cache.counters.counters import Counters
from services.cache.entries.entries import Entries
from services.cache.invalidation.stream import Stream
from services.cache.invalidation.watchers import Watchers, readers_now
from services.cache.redis.store import Store
from services.cache.servicer import CacheServicer
from services.cache.stats.stats import Stats
from trivet.cache.v1 import cache_pb2 as pb
from trivet.client.actor import Actor

M = TypeVar("M", bound=Message)


async def silence(kind: type[M]) -> AsyncIterator[M]:
    await asyncio.Event().wait()
    yield kind()


@pytest.fixture
def servicer() -> CacheServicer:
    store = Store("redis://127.0.0.1:1/0", "t:")
    return CacheServicer(Entries(store), Counters(store), Watchers(Stream(store, "p")), Stats(), silence_seconds=0.01)


async def test_whoever_says_nothing_gives_way_to_others(servicer: CacheServicer) -> None:
    token = current_actor.set(Actor("gateway"))
    before, context = readers_now._value.get(), cast(Context, None)  # it is not looked at
    with pytest.raises(TimeoutError):
        async for _ in servicer.Watch(silence(pb.WatchRequest), context):
            pass
    current_actor.reset(token)
    assert readers_now._value.get() == before


async def test_whoever_asks_for_nothing_gives_way_to_others(servicer: CacheServicer) -> None:
    with pytest.raises(TimeoutError):
        async for _ in servicer.StreamGet(silence(pb.StreamGetRequest), cast(Context, None)):
            pass
