"""Reads through both caches: what makes a call, what is held, and that a cache can save a read and never spoil one."""

import asyncio
from typing import cast

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import aio

from tests.harness.peers.streams import Stream
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import GetRequest, GetResponse, Lookup, StreamGetRequest, StreamGetResponse
from trivet.cache.v1.cache_pb2 import Position as Place
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import CachedReads, Metadata, NearCache, NearReads
from trivet.client.near.near_cache import StreamPosition

HERE = Place(epoch="e", offset=100)
MISS = Lookup(position=HERE)
CLAIMED = Lookup(position=HERE, retry_after=Duration(nanos=1_000_000))


def hit(value: bytes, *, seconds: int = 30) -> Lookup:
    return Lookup(found=True, value=value, position=HERE, ttl=Duration(seconds=seconds), tags=["t"])


class Cache:
    """A cache service that answers what the test says, the last of it again and again."""

    def __init__(self, *answers: Lookup) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bool]] = []
        self.failure: grpc.StatusCode | None = None

    async def Get(self, request: GetRequest, timeout: float) -> GetResponse:
        return GetResponse(lookup=self._answer(request.key, request.claim))

    def StreamGet(self) -> Stream:
        return Stream(self._batch)

    async def _batch(self, request: StreamGetRequest) -> StreamGetResponse:
        return StreamGetResponse(lookups=[self._answer(key, request.claim) for key in request.keys])

    def _answer(self, key: str, claim: bool) -> Lookup:
        self.asked.append((key, claim))
        if self.failure is not None:
            raise aio.AioRpcError(self.failure, aio.Metadata(), aio.Metadata())
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Owner:
    """Whoever knows: counts how often it is asked, and with which leases."""

    def __init__(self, answer: str | None = "from its owner") -> None:
        self.answer = answer
        self.leases: list[Metadata] = []

    async def __call__(self, lease: Metadata) -> str | None:
        self.leases.append(lease)
        return self.answer


def reads_of(cache: Cache, near: NearCache | None = None) -> NearReads[str]:
    near = NearCache() if near is None else near
    near.reset(StreamPosition("e", 100))
    near.tick_echoed(near.monotonic() + 3_600)
    return NearReads(CachedReads(cast(CacheServiceStub, cache), near), "things", decode)


def decode(value: bytes) -> str | None:
    return value.decode() if value.isalpha() else None


async def test_a_hit_in_the_cache_is_held_and_the_next_read_makes_no_call() -> None:
    cache, owner = Cache(hit(b"value")), Owner()
    reads = reads_of(cache)
    assert reads.peek("a") is None
    assert [await reads.get("a", owner) for _ in range(3)] == ["value"] * 3
    assert reads.peek("a") == "value"
    assert (cache.asked, owner.leases) == ([("a", True)], [])


async def test_a_miss_goes_to_the_owner_with_the_lease_to_fill_by() -> None:
    cache, owner = Cache(MISS), Owner()
    reads = reads_of(cache)
    assert await reads.get("a", owner) == "from its owner"
    assert owner.leases == [(("trivet-lease", "e:100"),)]
    assert reads.peek("a") is None  # what the owner said comes by the cache, with its tags


async def test_what_another_reader_fills_is_waited_for() -> None:
    cache, owner = Cache(CLAIMED, CLAIMED, hit(b"value")), Owner()
    assert await reads_of(cache).get("a", owner) == "value"
    assert (len(cache.asked), owner.leases) == (3, [])


async def test_another_reader_that_never_fills_is_not_waited_for_long() -> None:
    cache, owner = Cache(CLAIMED), Owner()
    assert await reads_of(cache).get("a", owner) == "from its owner"
    assert len(cache.asked) > 1
    assert owner.leases == [(("trivet-lease", "e:100"),)]


async def test_that_there_is_nothing_is_held_too() -> None:
    nothing = Lookup(found=True, absent=True, position=HERE, ttl=Duration(seconds=5))
    cache, owner = Cache(nothing), Owner()
    reads = reads_of(cache)
    assert [await reads.get("a", owner) for _ in range(2)] == [None, None]
    assert (len(cache.asked), owner.leases) == (1, [])


async def test_without_redis_the_owner_is_asked_and_nothing_filled() -> None:
    """R14: a miss without a position."""
    owner = Owner()
    assert await reads_of(Cache(Lookup())).get("a", owner) == "from its owner"
    assert owner.leases == [()]


async def test_an_entry_that_is_none_of_ours_is_for_the_owner() -> None:
    """R14: wrong-type keys."""
    owner = Owner()
    assert await reads_of(Cache(hit(b"\xff\0"))).get("a", owner) == "from its owner"
    assert len(owner.leases) == 1


async def test_what_cannot_be_a_key_is_not_looked_for() -> None:
    cache, owner = Cache(hit(b"value")), Owner()
    for key in ("", "a b", "x" * 513, "ü"):
        assert await reads_of(cache).get(key, owner) == "from its owner"
    assert cache.asked == []


async def test_a_cache_that_fails_is_a_miss_and_left_alone_for_a_second() -> None:
    """R14, R8."""
    now = 1_000.0
    near = NearCache(monotonic=lambda: now)
    cache, owner = Cache(hit(b"value")), Owner()
    reads = reads_of(cache, near)
    cache.failure = grpc.StatusCode.UNAVAILABLE
    assert [await reads.get("a", owner) for _ in range(3)] == ["from its owner"] * 3
    assert len(cache.asked) == 1
    now += 1.0
    cache.failure = None
    assert await reads.get("a", owner) == "value"


async def test_five_hundred_reads_of_one_key_ask_the_owner_once() -> None:
    """R15: the first one fills, and all the others are answered from memory."""
    cache, asked = Cache(MISS, hit(b"value")), asyncio.Event()
    go_on = asyncio.Event()

    async def slow(lease: Metadata) -> str:
        asked.set()
        await go_on.wait()
        return "from its owner"

    reads = reads_of(cache)
    tasks = [asyncio.create_task(reads.get("a", slow)) for _ in range(500)]
    await asked.wait()
    go_on.set()
    assert set(await asyncio.gather(*tasks)) == {"from its owner", "value"}
    assert len(cache.asked) == 2


async def test_a_read_never_shares_one_that_began_before_it() -> None:
    """S4: what was ended in between would still be in that answer."""
    cache, begun, go_on = Cache(MISS), asyncio.Event(), asyncio.Event()

    async def before(lease: Metadata) -> str:
        begun.set()
        await go_on.wait()
        return "as it was before"

    reads = reads_of(cache)
    first = asyncio.create_task(reads.get("a", before))
    await begun.wait()
    second = asyncio.create_task(reads.get("a", Owner("as it is now")))
    await asyncio.sleep(0)
    go_on.set()
    assert [await first, await second] == ["as it was before", "as it is now"]


async def test_an_answer_that_was_overtaken_by_an_invalidation_is_not_held() -> None:
    """R16: the invalidation was heard of before the answer of the read that came first."""
    near = NearCache()
    reads = reads_of(Cache(hit(b"old")), near)
    near.invalidate(StreamPosition("e", 101), ["t"])
    assert await reads.get("a", Owner()) == "old"
    assert reads.peek("a") is None


async def test_an_entry_is_held_no_longer_than_it_had_left_when_it_was_asked_for() -> None:
    now = 1_000.0
    near = NearCache(monotonic=lambda: now)
    reads = reads_of(Cache(hit(b"value", seconds=30)), near)
    await reads.get("a", Owner())
    now += 30
    near.tick_echoed(now)
    assert reads.peek("a") is None


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_who_gives_up_takes_nobody_along(cancelled: int) -> None:
    cache, begun, go_on = Cache(MISS), asyncio.Event(), asyncio.Event()

    async def slow(lease: Metadata) -> str:
        begun.set()
        await go_on.wait()
        return "from its owner"

    reads = reads_of(cache)
    tasks = [asyncio.create_task(reads.get("a", slow)) for _ in range(3)]
    await begun.wait()
    tasks[cancelled].cancel()
    await until(tasks[cancelled].done)
    go_on.set()
    left = [task for index, task in enumerate(tasks) if index != cancelled]
    assert await asyncio.gather(*left) == ["from its owner"] * 2
