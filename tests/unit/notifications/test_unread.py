"""Unread counts in caches: dropped after each change, whatever becomes of the call, and told again until confirmed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from runtime.errors import NotFound, RefusedError, ServiceError, Unavailable
from services.notifications import unread
from services.notifications.unread import OWED_SECONDS, CachedCounts
from tests.harness.waiting import until
from trivet.client.deadline import remaining, within

AWAY = Unavailable("CACHE_UNAVAILABLE", "the cache does not answer")


@dataclass
class Cache:
    """Remembers which tags it was told of; answers True, False or a failure, as the test says."""

    answer: bool | Exception = True
    told: list[list[str]] = field(default_factory=list)

    async def invalidate(self, tags: Sequence[str]) -> bool:
        self.told.append(list(tags))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts(cache: Cache, clock: Clock) -> CachedCounts:
    return CachedCounts(cache.invalidate, monotonic=clock)


async def written() -> str:
    return "written"


async def test_after_a_write_the_users_count_is_dropped(counts: CachedCounts, cache: Cache) -> None:
    assert await counts.settle("ann", written) == "written"
    assert cache.told == [["unread:ann"]]
    await counts.relay()
    assert len(cache.told) == 1  # it was confirmed, so nothing is owed


@dataclass
class Held:
    """A write that is done when the test says."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    let: asyncio.Event = field(default_factory=asyncio.Event)
    is_done: bool = False

    async def __call__(self) -> None:
        self.begun.set()
        await self.let.wait()
        self.is_done = True


async def test_a_call_that_is_cancelled_skips_neither_the_write_nor_the_drop(
    counts: CachedCounts, cache: Cache
) -> None:
    """R2."""
    write = Held()
    call = asyncio.create_task(counts.settle("ann", write))
    await write.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    write.let.set()
    await until(lambda: cache.told == [["unread:ann"]])
    assert write.is_done


async def test_in_the_calls_own_task_the_cancel_would_skip_the_drop(cache: Cache) -> None:
    """R2 with the protection off: the write is done, and the old count stays."""
    write, reached = Held(), asyncio.Event()

    async def attached() -> None:
        write.let.set()
        await write()
        reached.set()
        await asyncio.sleep(0)  # any await between the two
        await cache.invalidate(["unread:ann"])

    call = asyncio.create_task(attached())
    await reached.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert write.is_done
    assert cache.told == []


@pytest.mark.parametrize("failure", [Unavailable("STORE_UNAVAILABLE", "away"), NotFound("GONE", "not there")])
async def test_a_write_of_unknown_outcome_drops_the_count_too(
    counts: CachedCounts, cache: Cache, failure: ServiceError
) -> None:
    async def failing() -> None:
        raise failure

    with pytest.raises(type(failure)):
        await counts.settle("ann", failing)
    assert cache.told == [["unread:ann"]]


@pytest.mark.parametrize("answer", [False, AWAY])
async def test_what_is_not_confirmed_is_told_again_until_it_is(
    counts: CachedCounts, cache: Cache, answer: bool | Exception
) -> None:
    """R16: and the call has answered meanwhile."""
    cache.answer = answer
    await counts.settle("ann", written)
    await counts.settle("bob", written)
    await counts.relay()
    cache.answer = True
    await counts.relay()
    assert cache.told[-1] == ["unread:ann", "unread:bob"]
    told = len(cache.told)
    await counts.relay()
    assert len(cache.told) == told


async def test_what_no_cache_can_hold_any_more_is_not_told_again(
    counts: CachedCounts, cache: Cache, clock: Clock
) -> None:
    cache.answer = AWAY
    await counts.settle("ann", written)
    clock.now += OWED_SECONDS
    cache.told.clear()
    await counts.relay()
    assert cache.told == []


async def test_a_confirmation_of_an_earlier_change_does_not_pay_for_a_later_one(clock: Clock) -> None:
    """The second write was done while the first one's drop was on its way."""
    let, told = asyncio.Event(), 0

    async def invalidate(tags: Sequence[str]) -> bool:
        nonlocal told
        told += 1
        if told == 1:
            await let.wait()
            return True
        return told > 2

    counts = CachedCounts(invalidate, monotonic=clock)
    first = asyncio.create_task(counts.settle("ann", written))
    await until(lambda: told == 1)
    await counts.settle("ann", written)
    let.set()
    await first
    assert told == 2
    await counts.relay()
    assert told == 3


async def test_a_refusal_for_good_is_not_told_again(counts: CachedCounts, cache: Cache) -> None:
    cache.answer = RefusedError()
    await counts.settle("ann", written)
    await counts.relay()
    assert len(cache.told) == 1


async def test_a_cache_that_hangs_holds_an_answer_back_for_a_moment_only(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let = asyncio.Event()

    async def invalidate(tags: Sequence[str]) -> bool:
        return await let.wait()

    monkeypatch.setattr(unread, "WAIT_SECONDS", 0.01)
    counts = CachedCounts(invalidate, monotonic=clock)
    assert await counts.settle("ann", written) == "written"
    let.set()
    async with counts.running(1):
        pass


async def test_a_user_whom_no_key_can_name_is_not_told_of(counts: CachedCounts, cache: Cache) -> None:
    """Else one odd id would have the cache refuse everybody else's in the same call."""
    for user_id in ("a b", "ü", "x" * 513):
        assert await counts.settle(user_id, written) == "written"
    assert cache.told == []


async def test_the_write_keeps_what_is_left_of_its_calls_time(counts: CachedCounts) -> None:
    async def left() -> float:
        return remaining(60)

    with within(2):
        assert await counts.settle("ann", left) < 2
    assert await counts.settle("ann", left) == 60


async def test_what_is_owed_is_bounded_and_the_oldest_is_let_go(
    counts: CachedCounts, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "MAX_OWED", 2)
    cache.answer = AWAY
    for user_id in ("ann", "bob", "cat"):
        await counts.settle(user_id, written)
    cache.told.clear()
    await counts.relay()
    assert cache.told == [["unread:bob", "unread:cat"]]
