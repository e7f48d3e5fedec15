"""What a steady rate promises: a burst of the limit, then one every `period / limit`, whatever the clock does."""

import asyncio
from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.cache.rate_limits.rate_limits import Acquired, GcraLimits
from services.cache.redis.scripts import GCRA, Script
from services.cache.redis.store import Store
from tests.conformance.cache.conftest import Cache
from tests.harness.stores.engines import Engine
from tests.harness.waiting import until

MINUTE = 60_000


@pytest.fixture
def rates(cache: Cache) -> GcraLimits:
    return GcraLimits(cache.store)


async def test_fifty_at_once_are_allowed_exactly_the_limit(rates: GcraLimits) -> None:
    """H6."""
    taken = await asyncio.gather(*(rates.acquire("sign-in", "192.0.2.1", 7, MINUTE, 1) for _ in range(50)))
    assert sorted(one.remaining for one in taken if one.allowed) == list(range(7))
    assert len([one for one in taken if not one.allowed]) == 43


async def test_what_is_refused_waits_for_its_place_and_no_longer(rates: GcraLimits) -> None:
    for _ in range(4):
        assert (await rates.acquire("r", "s", 4, MINUTE, 1)).allowed
    waits = [(await rates.acquire("r", "s", 4, MINUTE, 1)).retry_after_ms for _ in range(3)]
    assert waits == sorted(waits, reverse=True)
    assert 10_000 < waits[-1] <= waits[0] <= 15_000


async def test_a_place_is_given_back_by_itself(rates: GcraLimits) -> None:
    assert (await rates.acquire("r", "s", 5, 100, 5)).allowed

    async def allowed() -> bool:
        return (await rates.acquire("r", "s", 5, 100, 1)).allowed

    await until(allowed)


async def test_rules_subjects_and_windows_are_counted_apart(cache: Cache, rates: GcraLimits) -> None:
    pairs = [("r", "s"), ("r", "t"), ("q", "s")]
    assert all([(await rates.acquire(rule, subject, 1, MINUTE, 1)).allowed for rule, subject in pairs])
    assert (await cache.windows.acquire("r", "s", 1, MINUTE, 1)).allowed


async def test_a_key_lives_as_long_as_it_says_something(cache: Cache, rates: GcraLimits) -> None:
    await rates.acquire("r", "s", 4, MINUTE, 1)
    (key,) = [key async for key in cache.redis.scan_iter(f"{cache.store.prefix}rate:*")]
    assert 10_000 < await cache.redis.pttl(key) <= 15_000


@pytest.mark.parametrize("tampered", ["words", "1 2 3", "17 x", ""])
async def test_what_is_no_count_is_counted_over(cache: Cache, rates: GcraLimits, tampered: str) -> None:
    """R14."""
    await rates.acquire("r", "s", 1, MINUTE, 1)
    (key,) = [key async for key in cache.redis.scan_iter(f"{cache.store.prefix}rate:*")]
    await cache.redis.set(key, tampered)
    assert (await rates.acquire("r", "s", 1, MINUTE, 1)).allowed
    await cache.redis.delete(key)
    await cache.redis.rpush(key, "not ours")
    assert (await rates.acquire("r", "s", 1, MINUTE, 1)).allowed
    assert 0 < await cache.redis.pttl(key) <= MINUTE


async def test_a_clock_that_was_set_back_locks_nobody_out_for_longer_than_a_period(server: Engine) -> None:
    hour = 3_600_000_000
    assert await differences(server, 4, 1_000, [(0, 4), (-hour, 1), (500_000, 2), (500_000, 2), (0, 1)]) == []


async def test_a_period_that_was_shortened_locks_nobody_out_for_longer_than_it_is(
    cache: Cache, rates: GcraLimits
) -> None:
    assert (await rates.acquire("r", "s", 4, 20 * MINUTE, 4)).allowed
    assert (await rates.acquire("r", "s", 4, MINUTE, 1)).retry_after_ms <= MINUTE // 4
    (key,) = [key async for key in cache.redis.scan_iter(f"{cache.store.prefix}rate:*")]
    assert await cache.redis.pttl(key) <= MINUTE


def with_clock(script: Script, now: int) -> Script:
    """Return the script at a time of the test's own, in microseconds."""
    time = f"{{{now // 1_000_000}, {now % 1_000_000}}}"
    life = "math.max(math.ceil(ahead / 1000), 1)"  # by Redis' own clock, which goes on meanwhile
    assert script.text.count("redis.call('TIME')") == script.text.count(life) == 1
    return replace(script, text=script.text.replace("redis.call('TIME')", time).replace(life, "60000"), sha="0" * 40)


class Model:
    """The generic cell rate algorithm as its definition has it, in exact numbers.

    Where the clock is set back, no time has passed since it was counted last.
    """

    def __init__(self, limit: int, period_us: int) -> None:
        self.period, self.interval = period_us, Fraction(period_us, limit)
        self.arrival, self.counted_at = Fraction(0), 0

    def acquire(self, now: int, cost: int) -> Acquired:
        if now < self.counted_at:
            self.arrival -= self.counted_at - now
            self.counted_at = now
        arrival = max(self.arrival, Fraction(now))
        too_early = arrival + cost * self.interval - now - self.period
        if too_early > 0:
            left = int((now + self.period - arrival) // self.interval)
            return Acquired(False, left, max(1, ceil(too_early / 1_000)))
        self.arrival, self.counted_at = arrival + cost * self.interval, now
        return Acquired(True, int((now + self.period - self.arrival) // self.interval), 0)


steps = st.lists(
    st.tuples(st.one_of(st.integers(0, 3_000_000), st.integers(-5_000_000, 0)), st.integers(1, 4)), max_size=30
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(limit=st.integers(4, 60), period_ms=st.sampled_from([100, 1_000, 2_997, 60_000]), steps=steps)
def test_it_counts_as_the_definition_does(
    server: Engine, limit: int, period_ms: int, steps: list[tuple[int, int]]
) -> None:
    """H6: also where the clock is set back."""
    assert asyncio.run(differences(server, limit, period_ms, steps)) == []


async def differences(server: Engine, limit: int, period_ms: int, steps: list[tuple[int, int]]) -> list[object]:
    """Return where the script and the model part."""
    async with Store(server.url, "t:rates:") as store:
        await until(lambda: store.is_up, 5)
        model, now = Model(limit, period_ms * 1_000), 1_800_000_000_000_000
        subject = f"{limit} {period_ms} {steps}"
        apart: list[object] = []
        for number, (passed, cost) in enumerate(steps):
            now += passed
            rates = GcraLimits(store, script=with_clock(GCRA, now))
            pair = (await rates.acquire("r", subject, limit, period_ms, cost), model.acquire(now, cost))
            if pair[0] != pair[1]:
                apart.append((number, *pair))
        return apart
