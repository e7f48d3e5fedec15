"""What fails again and again is logged when it begins and when it is over, and ends no background task."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from grpc import aio

from gateway.http.rate_limiter import Limit, RateLimiter, SharedRateLimiter
from runtime.rpc.interceptor_chain import Context
from tests.harness.rpc import KEY
from tests.harness.waiting import until
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import (
    CacheServiceServicer,
    CacheServiceStub,
    add_CacheServiceServicer_to_server,
)
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub
from trivet.client import CachedReads, NearCache, NearReads, Signer, connect, watching
from trivet.client.near import watch
from trivet.client.outage import Outage

Ticks = AsyncIterator[pb.WatchRequest]


def texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_each_outage_has_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage(logging.getLogger("test"), "it fails: %s", "it works again")
    outage.end()
    for why in ("first", "second"):
        outage.begin(why)
        outage.begin("still")
        outage.end()
        outage.end()
    assert texts(caplog) == ["it fails: first", "it works again", "it fails: second", "it works again"]


async def test_a_cache_that_is_away_is_logged_once_by_each_that_asks_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads, limits and the watch ask again and again, each after its own pause."""
    visits = 0

    async def visited(self: watch.Watch) -> None:
        nonlocal visits
        visits += 1
        await visit(self)

    visit = watch.Watch._watch_once
    monkeypatch.setattr(watch.Watch, "_watch_once", visited)
    monkeypatch.setattr(watch, "MAX_BACKOFF_SECONDS", 0.05)
    near = NearCache()
    async with connect("127.0.0.1:1", "cache", Signer("tests", {"cache": KEY})) as channel:
        cache = CacheServiceStub(channel)
        reads = CachedReads(cache, near)
        profiles: NearReads[bytes] = NearReads(reads, "profiles", lambda value: value)
        limiter = SharedRateLimiter(RateLimitServiceStub(channel), RateLimiter())

        async def owner(_: object) -> bytes:
            return b"found"

        async with watching(cache, near):
            for number in range(4):
                reads._breaker._open_until = limiter._breaker._open_until = 0.0
                assert await profiles.get(str(number), owner) == b"found"
                assert await limiter.acquire("rule", str(number), Limit(1, 10)) == 0
            await until(lambda: visits >= 4)
    assert sorted(text.partition(":")[0] for text in texts(caplog)) == [
        "rate limits are counted by this process alone",
        "the cache does not answer",
        "the near cache is off",
    ]


async def test_a_watch_survives_what_nobody_expected(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that ended would leave the near cache empty for good, without a word."""
    near, server, others = NearCache(), aio.server(), asyncio.all_tasks()

    class Cache(CacheServiceServicer):
        visits = 0

        async def Watch(
            self, requests: AsyncIterator[pb.WatchRequest], context: Context
        ) -> AsyncIterator[pb.WatchResponse]:
            Cache.visits += 1
            async for request in requests:
                yield pb.WatchResponse(tick_ns=request.tick_ns)

    taken = watch.Watch._apply

    def broken(self: watch.Watch, answer: pb.WatchResponse) -> None:
        if Cache.visits <= 2:
            raise RuntimeError("an unexpected failure")
        taken(self, answer)

    monkeypatch.setattr(watch.Watch, "_apply", broken)
    caplog.set_level(logging.INFO)
    add_CacheServiceServicer_to_server(Cache(), server)  # type: ignore[abstract]  # of the RPCs one is called
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with (
            connect(f"127.0.0.1:{port}", "cache", Signer("tests", {"cache": KEY})) as channel,
            watching(CacheServiceStub(channel), near),
        ):
            await until(lambda: texts(caplog)[-1:] == ["the cache is watched again"])
    finally:
        await server.stop(None)
    assert len(texts(caplog)) == 2
    assert "an unexpected failure" in texts(caplog)[0]
    assert [task for task in asyncio.all_tasks() - others if "client/watch.py" in str(task)] == []
