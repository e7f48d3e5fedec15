"""A stream whose answers nobody reads ends by itself, and streams have a bound."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ops.keys.pair_keys import pair_key
from runtime.errors import ResourceExhausted
from runtime.rpc import interceptor_chain
from runtime.rpc.server import Server
from runtime.settings import Keys, ServiceSettings
from services.cache.bounded_streams import BoundedStreams
from services.cache.counters.counters import Counters
from services.cache.entries.entries import Entries
from services.cache.invalidation.stream import Stream
from services.cache.invalidation.watchers import Watchers
from services.cache.policy import POLICY, SERVICE
from services.cache.redis.store import Store
from services.cache.servicer import CacheServicer
from services.cache.stats.stats import Stats
from tests.harness.processes import SECRET
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub, add_CacheServiceServicer_to_server
from trivet.client import Signer, connect

LARGE = pb.StreamGetResponse(lookups=[pb.Lookup(found=True, value=b"x" * 1_000_000)])


class Wordy(CacheServicer):
    """Answers a megabyte to every word; `ended` is set when a stream has ended."""

    ended: asyncio.Event

    async def StreamGet(
        self, requests: AsyncIterator[pb.StreamGetRequest], context: interceptor_chain.Context
    ) -> AsyncIterator[pb.StreamGetResponse]:
        try:
            async for _ in requests:
                yield LARGE
        finally:
            self.ended.set()


async def test_answers_that_nobody_reads_end_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interceptor_chain, "WRITE_SECONDS", 0.2)
    store = Store("redis://127.0.0.1:1/0", "t:")
    wordy = Wordy(Entries(store), Counters(store), Watchers(Stream(store, "p")), Stats())
    wordy.ended = asyncio.Event()
    key = pair_key(SECRET, "tests", "cache")
    settings = ServiceSettings(accept_keys=Keys({"tests": key}), program_rights=("tests=CacheService/StreamGet",))
    server = Server("cache", settings, 0, policy=POLICY, ping=store.ping)
    server.add(SERVICE, add_CacheServiceServicer_to_server, wordy)
    async with (
        server.serving(),
        connect(f"127.0.0.1:{server.port}", "cache", Signer("tests", {"cache": key})) as channel,
    ):
        stream = CacheServiceStub(channel).StreamGet()
        for _ in range(20):
            await stream.write(pb.StreamGetRequest(namespace="things", keys=["a"]))
        await asyncio.wait_for(wordy.ended.wait(), 10)
        assert not stream.done(), "the caller is told when it reads"
        stream.cancel()


async def message() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


async def test_of_streams_there_are_so_many_and_one_that_ends_makes_room() -> None:
    streams = BoundedStreams(30, most=2)
    first, second, third = (streams.messages(message()) for _ in range(3))
    assert [await anext(first), await anext(second)] == [1, 1]
    with pytest.raises(ResourceExhausted):
        await anext(third)
    await first.aclose()  # type: ignore[attr-defined]  # a generator is what it is
    assert await anext(streams.messages(message())) == 1
