"""What a claim promises: a miss is one reader's to fill, until it is filled or a second is over."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from services.cache.entries.entries import CLAIM_MS, RETRY_MS, Lookup
from tests.conformance.cache.conftest import Cache, opened
from tests.conftest import Engines
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine


async def claim(cache: Cache, key: str = "a") -> Lookup:
    return (await cache.entries.get("things", [key], claim=True))[0]


async def test_of_two_hundred_readers_one_is_to_fill(cache: Cache) -> None:
    """R15."""
    lookups = await asyncio.gather(*(claim(cache) for _ in range(200)))
    assert [lookup.retry_ms for lookup in lookups].count(0) == 1
    assert all(1 <= lookup.retry_ms <= RETRY_MS for lookup in lookups if lookup.retry_ms)
    assert 0 < await cache.redis.pttl(cache.claim_key("a")) <= CLAIM_MS


async def test_without_claims_every_reader_is_to_fill(cache: Cache) -> None:
    """R15, the protection off."""
    lookups = await asyncio.gather(*(cache.get("a") for _ in range(200)))
    assert [lookup.retry_ms for lookup in lookups] == [0] * 200


async def test_whoever_waits_may_fill_with_the_lease_all_the_same(cache: Cache) -> None:
    await claim(cache)
    assert await cache.fill("a", b"v", lease=(await claim(cache)).position)
    assert (await claim(cache)).value == b"v"


async def test_a_fill_ends_the_claim_also_where_it_is_refused(cache: Cache) -> None:
    missed = await claim(cache)
    await cache.entries.invalidate(["x"])
    assert not await cache.fill("a", b"old", "x", lease=missed.position)
    assert (await claim(cache)).retry_ms == 0
    assert (await claim(cache)).retry_ms > 0


async def test_a_claim_that_nobody_keeps_is_another_readers(cache: Cache) -> None:
    await claim(cache)
    await cache.redis.pexpire(cache.claim_key("a"), 0)
    assert (await claim(cache)).retry_ms == 0


async def test_a_wait_is_no_longer_than_what_is_left_of_the_claim(cache: Cache) -> None:
    await claim(cache)
    await cache.redis.pexpire(cache.claim_key("a"), 7)
    assert (await claim(cache)).retry_ms <= 7


async def test_a_hit_is_never_claimed(cache: Cache) -> None:
    await cache.fill("a", b"v")
    assert (await claim(cache)).value == b"v"
    assert not await cache.redis.exists(cache.claim_key("a"))


async def test_what_would_hold_an_entry_for_ever_is_no_claim(cache: Cache) -> None:
    """R14: a key of another type under the claim's name, or one without an end."""
    await cache.redis.sadd(cache.claim_key("a"), "not ours")
    assert [(await claim(cache)).retry_ms for _ in range(2)] == [0, 0]


async def test_each_key_of_a_batch_is_claimed_by_itself(cache: Cache) -> None:
    await claim(cache, "b")
    found = await cache.entries.get("things", ["a", "b"], claim=True)
    assert [lookup.retry_ms > 0 for lookup in found] == [False, True]


@pytest.fixture
def small_server(engine: Engines) -> Iterator[Engine]:
    """A Redis that a test may fill up."""
    if engine.get("redis").process is None:
        pytest.skip("TRIVET_TEST_REDIS_URL is a server that is not ours to fill")
    with engines.redis() as server:
        yield server


@pytest.fixture
async def small(small_server: Engine) -> AsyncIterator[Cache]:
    async with opened(small_server) as cache:
        yield cache


async def test_where_redis_takes_no_claim_everybody_may_fill(small: Cache) -> None:
    """R14: maxmemory with noeviction. Waiting for a claim that cannot be made would be waiting for nobody."""
    await small.get("a")
    await small.redis.config_set("maxmemory", 1)
    lookups = await asyncio.gather(*(claim(small) for _ in range(20)))
    assert all(lookup.position is not None and lookup.retry_ms == 0 for lookup in lookups)
