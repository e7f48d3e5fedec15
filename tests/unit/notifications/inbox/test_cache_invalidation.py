"""Caches are invalidated after each write, also if its call is cancelled, and again until every cache confirms."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from runtime.errors import DeliveryRejectedError, NotFound, ServiceError, Unavailable
from services.notifications.inbox import cache_invalidation
from services.notifications.inbox.cache_invalidation import PENDING_SECONDS, InvalidationRelay
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
def kept(cache: Cache, clock: Clock) -> InvalidationRelay:
    return InvalidationRelay(cache.invalidate, monotonic=clock)


async def written() -> str:
    return "written"


async def test_after_a_write_the_users_answers_are_dropped(kept: InvalidationRelay, cache: Cache) -> None:
    assert await kept.write_and_invalidate(["unread:ann", "preferences:ann"], written) == "written"
    assert cache.told == [["unread:ann", "preferences:ann"]]
    await kept.relay()
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
    kept: InvalidationRelay, cache: Cache
) -> None:
    """R2."""
    write = Held()
    call = asyncio.create_task(kept.write_and_invalidate(["unread:ann"], write))
    await write.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    write.let.set()
    await until(lambda: cache.told == [["unread:ann"]])
    assert write.is_done


async def test_in_the_calls_own_task_the_cancel_would_skip_the_drop(cache: Cache) -> None:
    """R2 with the protection off: the write is done, and the old answer stays."""
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
async def test_a_write_of_unknown_outcome_drops_the_answer_too(
    kept: InvalidationRelay, cache: Cache, failure: ServiceError
) -> None:
    async def failing() -> None:
        raise failure

    with pytest.raises(type(failure)):
        await kept.write_and_invalidate(["unread:ann"], failing)
    assert cache.told == [["unread:ann"]]


@pytest.mark.parametrize("answer", [False, AWAY])
async def test_what_is_not_confirmed_is_told_again_until_it_is(
    kept: InvalidationRelay, cache: Cache, answer: bool | Exception
) -> None:
    """R16: and the call has answered meanwhile."""
    cache.answer = answer
    await kept.write_and_invalidate(["unread:ann"], written)
    await kept.write_and_invalidate(["unread:bob"], written)
    await kept.relay()
    cache.answer = True
    await kept.relay()
    assert cache.told[-1] == ["unread:ann", "unread:bob"]
    told = len(cache.told)
    await kept.relay()
    assert len(cache.told) == told


async def test_what_no_cache_can_hold_any_more_is_not_told_again(
    kept: InvalidationRelay, cache: Cache, clock: Clock
) -> None:
    cache.answer = AWAY
    await kept.write_and_invalidate(["unread:ann"], written)
    clock.now += PENDING_SECONDS
    cache.told.clear()
    await kept.relay()
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

    kept = InvalidationRelay(invalidate, monotonic=clock)
    first = asyncio.create_task(kept.write_and_invalidate(["unread:ann"], written))
    await until(lambda: told == 1)
    await kept.write_and_invalidate(["unread:ann"], written)
    let.set()
    await first
    assert told == 2
    await kept.relay()
    assert told == 3


async def test_a_refusal_is_told_again_and_logged_once(
    kept: InvalidationRelay, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    """A cache that is overloaded, or does not know our key yet, refuses; an answer that it keeps would be wrong."""
    cache.answer = DeliveryRejectedError("RESOURCE_EXHAUSTED")
    await kept.write_and_invalidate(["unread:ann"], written)
    await kept.relay()
    assert [line.getMessage() for line in caplog.records] == [
        "the cache rejected an invalidation; retrying every second: RESOURCE_EXHAUSTED"
    ]
    cache.answer = True
    await kept.relay()
    await kept.relay()
    assert len(cache.told) == 3


async def test_a_cache_that_hangs_holds_an_answer_back_for_a_moment_only(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    let = asyncio.Event()

    async def invalidate(tags: Sequence[str]) -> bool:
        return await let.wait()

    monkeypatch.setattr(cache_invalidation, "WAIT_SECONDS", 0.01)
    kept = InvalidationRelay(invalidate, monotonic=clock)
    assert await kept.write_and_invalidate(["unread:ann"], written) == "written"
    let.set()
    async with kept.running(1):
        pass


async def test_a_user_whom_no_key_can_name_is_not_told_of(kept: InvalidationRelay, cache: Cache) -> None:
    """Else one odd id would have the cache refuse everybody else's in the same call."""
    for user_id in ("a b", "ü", "x" * 513):
        assert await kept.write_and_invalidate([f"unread:{user_id}"], written) == "written"
    assert cache.told == []


async def test_the_write_keeps_what_is_left_of_its_calls_time(kept: InvalidationRelay) -> None:
    async def left() -> float:
        return remaining(60)

    with within(2):
        assert await kept.write_and_invalidate(["unread:ann"], left) < 2
    assert await kept.write_and_invalidate(["unread:ann"], left) == 60


async def test_what_is_owed_is_bounded_and_the_oldest_is_let_go(
    kept: InvalidationRelay, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_invalidation, "MAX_PENDING", 2)
    cache.answer = AWAY
    for user_id in ("ann", "bob", "cat"):
        await kept.write_and_invalidate([f"unread:{user_id}"], written)
    cache.told.clear()
    await kept.relay()
    assert cache.told == [["unread:bob", "unread:cat"]]
