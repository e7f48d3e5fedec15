"""What a window promises: never more than the limit, and anew only after a period in which nothing was allowed."""

import asyncio
from typing import Any

import pytest

from tests.conformance.cache.conftest import Cache
from tests.harness.waiting import until

MINUTE = 60_000


async def key_of(cache: Cache) -> bytes:
    """Return the one window's key in Redis."""
    keys = [key async for key in cache.redis.scan_iter(f"{cache.store.prefix}window:*")]
    (key,) = keys
    return bytes(key)


async def over(cache: Cache) -> None:
    """Let the one window's time run out now."""
    await cache.redis.pexpire(await key_of(cache), 0)


async def test_fifty_at_once_are_allowed_exactly_the_limit(cache: Cache) -> None:
    """H6."""
    taken = await asyncio.gather(*(cache.windows.acquire("sign-in", "192.0.2.1", 7, MINUTE, 1) for _ in range(50)))
    assert sorted(one.remaining for one in taken if one.allowed) == list(range(7))
    assert len([one for one in taken if not one.allowed]) == 43


async def test_counting_in_two_steps_lets_more_than_the_limit_pass(cache: Cache) -> None:
    """H6: the damage that one script prevents: all have looked before any has counted."""
    looked = asyncio.Barrier(50)

    async def acquire() -> bool:
        count = int(await cache.redis.get(f"{cache.store.prefix}naive") or 0)
        await looked.wait()
        await cache.redis.set(f"{cache.store.prefix}naive", count + 1)
        return count < 7

    assert (await asyncio.gather(*(acquire() for _ in range(50)))).count(True) == 50


async def test_what_is_refused_waits_for_what_is_left_and_does_not_lengthen_it(cache: Cache) -> None:
    await cache.windows.acquire("r", "s", 1, MINUTE, 1)
    await cache.redis.pexpire(await key_of(cache), 20_000)
    waits = [(await cache.windows.acquire("r", "s", 1, MINUTE, 1)).retry_after_ms for _ in range(3)]
    assert waits == sorted(waits, reverse=True)
    assert 15_000 < waits[-1] <= waits[0] <= 20_000


async def test_what_is_allowed_begins_the_period_again(cache: Cache) -> None:
    await cache.windows.acquire("r", "s", 2, MINUTE, 1)
    await cache.redis.pexpire(await key_of(cache), 10_000)
    assert (await cache.windows.acquire("r", "s", 2, MINUTE, 1)).allowed
    assert await cache.redis.pttl(await key_of(cache)) > 50_000


async def test_after_its_period_a_window_begins_anew(cache: Cache) -> None:
    assert (await cache.windows.acquire("r", "s", 1, MINUTE, 1)).allowed
    assert not (await cache.windows.acquire("r", "s", 1, MINUTE, 1)).allowed
    await over(cache)
    assert (await cache.windows.acquire("r", "s", 1, MINUTE, 1)).allowed


async def test_a_period_of_milliseconds_ends_by_itself(cache: Cache) -> None:
    assert (await cache.windows.acquire("r", "s", 1, 5, 1)).allowed

    async def allowed() -> bool:
        return (await cache.windows.acquire("r", "s", 1, 5, 1)).allowed

    await until(allowed)


async def test_a_cost_that_does_not_fit_counts_nothing(cache: Cache) -> None:
    assert (await cache.windows.acquire("r", "s", 5, MINUTE, 3)).remaining == 2
    refused = await cache.windows.acquire("r", "s", 5, MINUTE, 3)
    assert (refused.allowed, refused.remaining) == (False, 2)
    assert (await cache.windows.acquire("r", "s", 5, MINUTE, 2)).allowed


async def test_rules_and_subjects_are_counted_apart(cache: Cache) -> None:
    pairs = [("r", "s"), ("r", "t"), ("q", "s")]
    assert all([(await cache.windows.acquire(rule, subject, 1, MINUTE, 1)).allowed for rule, subject in pairs])


@pytest.mark.parametrize("subject", ["x" * 100_000, "two words\n", "jos\u00e9@example.com", "192.0.2.1"])
async def test_a_key_is_short_dies_and_says_nothing_of_its_subject(cache: Cache, subject: str) -> None:
    """H6: what a client sends fills no memory."""
    await cache.windows.acquire("gateway/sign-in", subject, 3, MINUTE, 1)
    key = await key_of(cache)
    assert key.startswith(f"{cache.store.prefix}window:gateway/sign-in:".encode())
    assert len(key) < 150
    assert subject.encode() not in key
    assert 0 < await cache.redis.pttl(key) <= MINUTE


async def test_a_longer_subject_is_another_one_to_its_last_letter(cache: Cache) -> None:
    """H6: two long texts that begin alike do not share a count, so nobody uses up another's."""
    assert (await cache.windows.acquire("r", "x" * 5_000 + "a", 1, MINUTE, 1)).allowed
    assert (await cache.windows.acquire("r", "x" * 5_000 + "b", 1, MINUTE, 1)).allowed


async def test_what_is_no_count_is_counted_over(cache: Cache) -> None:
    """R14: another type, no number, or a key that would never end."""
    await cache.windows.acquire("r", "s", 1, MINUTE, 1)
    key = await key_of(cache)

    async def a_list(redis: Any) -> None:
        await redis.delete(key)
        await redis.rpush(key, "1")

    async def for_ever(redis: Any) -> None:
        await redis.persist(key)

    async def words(redis: Any) -> None:
        await redis.set(key, "words", px=MINUTE)

    for tamper in (a_list, for_ever, words):
        await tamper(cache.redis)
        assert (await cache.windows.acquire("r", "s", 1, MINUTE, 1)).allowed
        assert 0 < await cache.redis.pttl(key) <= MINUTE
