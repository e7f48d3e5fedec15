"""What a counter promises: added to in one step, exact to 64 bits, with the time it was born with."""

import asyncio

import pytest

from runtime.errors import FailedPrecondition
from tests.conformance.cache.conftest import Cache

TOP = 2**63 - 1


async def test_a_counter_starts_at_zero_and_is_exact_to_64_bits(cache: Cache) -> None:
    assert await cache.counters.add("things", "n", 5, 60_000) == 5
    assert await cache.counters.add("things", "n", -7, 60_000) == -2
    assert await cache.counters.add("things", "n", 2**62 + 3, 60_000) == 2**62 + 1


async def test_fifty_at_once_lose_nothing(cache: Cache) -> None:
    sums = await asyncio.gather(*(cache.counters.add("things", "n", 1, 60_000) for _ in range(50)))
    assert sorted(sums) == list(range(1, 51))


async def test_a_counter_keeps_the_time_it_was_born_with(cache: Cache) -> None:
    await cache.counters.add("things", "n", 1, 5_000)
    await cache.counters.add("things", "n", 1, 60_000)
    assert 0 < await cache.redis.pttl(f"{cache.store.prefix}counter:things:n") <= 5_000


async def test_a_sum_beyond_64_bits_is_refused_and_changes_nothing(cache: Cache) -> None:
    await cache.counters.add("things", "n", TOP, 60_000)
    with pytest.raises(FailedPrecondition) as refused:
        await cache.counters.add("things", "n", 1, 60_000)
    assert refused.value.reason == "COUNTER_OVERFLOW"
    assert await cache.counters.add("things", "n", 0, 60_000) == TOP


@pytest.mark.parametrize("value", ["words", "1.5"])
async def test_what_is_no_number_cannot_be_added_to(cache: Cache, value: str) -> None:
    await cache.redis.set(f"{cache.store.prefix}counter:things:n", value)
    with pytest.raises(FailedPrecondition) as refused:
        await cache.counters.add("things", "n", 1, 60_000)
    assert refused.value.reason == "NOT_A_COUNTER"


async def test_a_list_under_the_counters_name_is_no_counter(cache: Cache) -> None:
    await cache.redis.rpush(f"{cache.store.prefix}counter:things:n", "1")
    with pytest.raises(FailedPrecondition):
        await cache.counters.add("things", "n", 1, 60_000)


async def test_a_counter_and_an_entry_may_have_one_name(cache: Cache) -> None:
    await cache.fill("n", b"v")
    assert await cache.counters.add("things", "n", 1, 60_000) == 1
    assert (await cache.get("n")).value == b"v"
