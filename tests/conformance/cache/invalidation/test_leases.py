"""What tags and leases promise together: a value read before an invalidation is never found after it."""

import pytest

from services.cache.invalidation.positions import StreamPosition
from tests.conformance.cache.conftest import Cache


async def test_invalidating_a_tag_drops_what_carries_it_and_nothing_else(cache: Cache) -> None:
    await cache.fill("both", b"v", "x", "y")
    await cache.fill("y", b"v", "y")
    await cache.fill("none", b"v")
    await cache.entries.invalidate(["x", "x"])
    assert (await cache.get("both")).value is None
    assert (await cache.get("y")).value == b"v"
    assert (await cache.get("none")).value == b"v"


async def test_a_slow_reader_cannot_put_an_old_value_back(cache: Cache) -> None:
    """R16: read, miss, the row changes and is invalidated, and only then the old row is filled."""
    lease = await cache.miss("session")
    await cache.entries.invalidate(["user:1"])
    assert not await cache.fill("session", b"not revoked", "user:1", lease=lease)
    assert await cache.fill("session", b"revoked", "user:1", lease=await cache.miss("session"))
    assert (await cache.get("session")).value == b"revoked"


async def test_without_its_lease_the_slow_reader_does_the_damage(cache: Cache) -> None:
    """R16, the protection off: the same race, filled unconditionally, brings the revoked session back."""
    await cache.miss("session")
    await cache.entries.invalidate(["user:1"])
    assert await cache.fill("session", b"not revoked", "user:1")
    assert (await cache.get("session")).value == b"not revoked"


async def test_a_fill_is_refused_for_its_own_tags_only(cache: Cache) -> None:
    await cache.fill("other", b"v", "x", "y")
    lease = await cache.miss("a")
    await cache.entries.invalidate(["y"])
    assert await cache.fill("a", b"v", "x", lease=lease)
    assert (await cache.get("a")).value == b"v"


async def test_a_missing_tag_is_a_miss(cache: Cache) -> None:
    await cache.fill("a", b"v", "x", "y")
    await cache.redis.delete(cache.tag_key("x"))
    assert (await cache.get("a")).value is None


async def test_a_tag_of_another_type_is_a_miss_and_is_made_anew(cache: Cache) -> None:
    await cache.fill("a", b"v", "x")
    await cache.redis.delete(cache.tag_key("x"))
    await cache.redis.rpush(cache.tag_key("x"), "not ours")
    assert await cache.fill("a", b"new", "x", lease=await cache.miss("a"))
    assert (await cache.get("a")).value == b"new"


async def test_a_tag_evicted_between_miss_and_fill_refuses_once_if_anything_has_moved(cache: Cache) -> None:
    """What moved before the eviction cannot be known, so it is taken to be this tag; the next miss can be filled."""
    await cache.fill("other", b"v", "x")
    lease = await cache.miss("a")
    await cache.entries.invalidate(["x"])
    await cache.redis.delete(cache.tag_key("x"))
    assert not await cache.fill("a", b"old", "x", lease=lease)
    assert await cache.fill("a", b"new", "x", lease=await cache.miss("a"))
    assert (await cache.get("a")).value == b"new"


async def test_a_tag_never_seen_is_no_reason_to_refuse_if_nothing_has_moved(cache: Cache) -> None:
    assert await cache.fill("a", b"v", "never-seen", lease=await cache.miss("a"))
    assert (await cache.get("a")).value == b"v"


async def test_a_tag_outlives_the_entries_that_carry_it(cache: Cache) -> None:
    await cache.fill("short", b"v", "x", ttl_ms=1_000)
    await cache.fill("long", b"v", "x", ttl_ms=3_600_000)
    await cache.fill("short", b"v", "x", ttl_ms=1_000)
    assert await cache.redis.pttl(cache.tag_key("x")) > 3_600_000


async def test_a_lease_from_before_a_flush_is_refused_and_positions_never_go_back(cache: Cache) -> None:
    """R14: FLUSHALL between miss and fill."""
    lease = await cache.miss("a")
    await cache.redis.flushall()
    assert not await cache.fill("a", b"old", "x", lease=lease)
    after = await cache.miss("a")
    assert after.offset > lease.offset
    assert after.epoch != lease.epoch
    assert await cache.fill("a", b"new", "x", lease=after)


async def test_a_lost_stream_makes_every_entry_a_miss_and_every_lease_void(cache: Cache) -> None:
    await cache.fill("a", b"v", "x")
    lease = await cache.miss("b")
    await cache.redis.delete(cache.store.stream)
    assert (await cache.get("a")).value is None
    assert not await cache.fill("b", b"v", lease=lease)


@pytest.mark.parametrize(("epoch", "ahead"), [("another", 0), ("", 0), (None, 10**9), (None, 2**62)])
async def test_a_lease_that_no_miss_has_answered_is_refused(cache: Cache, epoch: str | None, ahead: int) -> None:
    """A position from the future would win against invalidations that are still to come."""
    lease = await cache.miss("a")
    forged = StreamPosition(lease.epoch if epoch is None else epoch or "-", lease.offset + ahead)
    assert not await cache.fill("a", b"v", "x", lease=forged)


async def test_each_invalidation_has_its_own_later_position(cache: Cache) -> None:
    positions = [(await cache.entries.invalidate(["x"])).position for _ in range(20)]
    offsets = [position.offset for position in positions]
    assert offsets == sorted(set(offsets))
    assert await cache.miss("a") == positions[-1]


async def test_offsets_grow_even_where_the_clock_is_behind_them(cache: Cache) -> None:
    ahead = (await cache.miss("a")).offset + 10**12
    await cache.redis.xadd(cache.store.stream, {"epoch": "ahead", "tags": ""}, id=f"{ahead}-0")
    assert (await cache.entries.invalidate(["x"])).position == StreamPosition("ahead", ahead + 1)


async def test_the_stream_is_bounded(cache: Cache) -> None:
    last = (await cache.miss("a")).offset
    async with cache.redis.pipeline(transaction=False) as pipe:
        for i in range(1, 12_001):
            pipe.xadd(cache.store.stream, {"epoch": "e", "tags": "x"}, id=f"{last + i}-0")
        await pipe.execute()
    await cache.entries.invalidate(["x"])
    assert await cache.redis.xlen(cache.store.stream) < 10_200


async def test_the_stream_names_every_tag_that_moved(cache: Cache) -> None:
    position = (await cache.entries.invalidate(["x", "y"])).position
    (event,) = await cache.redis.xrevrange(cache.store.stream, count=1)
    assert event[0].decode() == f"{position.offset}-0"
    assert event[1][b"tags"].decode().split() == [cache.tag_key("x"), cache.tag_key("y")]
