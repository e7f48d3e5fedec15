"""What is held in memory: for how long, of how much, and never beyond an invalidation."""

import math

import pytest

from tests.harness.clock import Clock
from trivet.client.near.near_cache import ENTRY_BYTES, SERVE_SECONDS, NearCache, StreamPosition


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def near(clock: Clock) -> NearCache:
    """One that may serve now, from position 100 of epoch `e` on."""
    return alive(NearCache(monotonic=clock), clock)


def alive(near: NearCache, clock: Clock) -> NearCache:
    near.reset(StreamPosition("e", 100))
    near.tick_echoed(clock.now)
    return near


def keep(
    near: NearCache, key: str, *tags: str, at: int = 100, epoch: str = "e", size: int = 10, expires: float = math.inf
) -> bool:
    return near.put(key, f"{key}@{at}", size=size, position=StreamPosition(epoch, at), tags=tags, expires=expires)


def value(near: NearCache, key: str) -> object:
    held = near.get(key)
    return None if held is None else held.value


def test_what_is_kept_is_served(near: NearCache) -> None:
    assert keep(near, "a", "t")
    assert value(near, "a") == "a@100"
    assert value(near, "b") is None
    assert (near.hits, near.misses) == (1, 1)


def test_nothing_is_served_before_the_first_tick_has_come_back(clock: Clock) -> None:
    near = NearCache(monotonic=clock)
    near.reset(StreamPosition("e", 100))
    keep(near, "a")
    assert not near.is_live
    assert value(near, "a") is None


def test_nothing_is_served_half_a_second_after_the_last_tick_that_came_back(near: NearCache, clock: Clock) -> None:
    """R14: counted from when the tick was sent, not from when it came back."""
    keep(near, "a")
    clock.now += SERVE_SECONDS - 0.01
    assert value(near, "a") == "a@100"
    clock.now += 0.01
    assert value(near, "a") is None
    near.tick_echoed(clock.now - SERVE_SECONDS)
    assert value(near, "a") is None
    near.tick_echoed(clock.now)
    assert value(near, "a") == "a@100"


def test_a_tick_that_comes_back_late_takes_no_time_away(near: NearCache, clock: Clock) -> None:
    keep(near, "a")
    near.tick_echoed(clock.now - 10)
    assert value(near, "a") == "a@100"


def test_an_entry_is_served_until_it_expires(near: NearCache, clock: Clock) -> None:
    keep(near, "a", expires=clock.now + 0.2)
    clock.now += 0.2
    assert value(near, "a") is None


def test_an_invalidation_drops_what_carries_its_tag_and_nothing_else(near: NearCache) -> None:
    keep(near, "a", "t", "u")
    keep(near, "b", "u")
    keep(near, "c", "v")
    near.invalidate(StreamPosition("e", 101), ["t", "unheard-of"])
    assert [value(near, key) for key in "abc"] == [None, "b@100", "c@100"]
    near.invalidate(StreamPosition("e", 102), ["u"])
    assert value(near, "b") is None
    assert near.applied == StreamPosition("e", 102)


def test_what_was_read_before_an_invalidation_of_its_tag_is_not_kept_after_it(near: NearCache) -> None:
    """R16: the answer of a slow read."""
    near.invalidate(StreamPosition("e", 105), ["t"])
    assert not keep(near, "a", "t", at=104)
    assert keep(near, "a", "t", at=105)
    assert keep(near, "b", "u", at=104)
    assert near.refusals == 1


def test_an_older_answer_does_not_stay_where_a_newer_one_was_refused(near: NearCache) -> None:
    keep(near, "a", "t", at=100)
    near.invalidate(StreamPosition("e", 105), ["u"])
    assert not keep(near, "a", "u", at=101)
    assert value(near, "a") is None


def test_a_reset_drops_everything_and_keeps_nothing_from_before_it(near: NearCache) -> None:
    keep(near, "a", "t")
    near.reset(StreamPosition("f", 200))
    assert (len(near), near.bytes, value(near, "a")) == (0, 0, None)
    assert not keep(near, "a", at=150, epoch="e")
    assert not keep(near, "a", at=199, epoch="f")
    assert keep(near, "a", at=200, epoch="f")


def test_what_is_forgotten_of_the_past_is_taken_as_moved(clock: Clock) -> None:
    near = alive(NearCache(max_invalidated_tags=2, monotonic=clock), clock)
    for offset, tag in enumerate("tuv", start=101):
        near.invalidate(StreamPosition("e", offset), [tag])
    assert not keep(near, "a", "t", at=100)
    assert keep(near, "b", "w", at=101)


def test_the_least_recently_used_goes_where_there_is_no_room(clock: Clock) -> None:
    near = alive(NearCache(max_bytes=3 * (ENTRY_BYTES + 10), monotonic=clock), clock)
    for key in "abc":
        keep(near, key, "t")
    near.get("a")
    keep(near, "d", "t")
    assert [value(near, key) for key in "abcd"] == ["a@100", None, "c@100", "d@100"]
    assert near.bytes == 3 * (ENTRY_BYTES + 10)
    assert near.evictions == 1


def test_what_is_larger_than_all_the_room_is_not_kept(clock: Clock) -> None:
    near = alive(NearCache(max_bytes=2_000, monotonic=clock), clock)
    keep(near, "a")
    assert not keep(near, "b", size=2_000)
    assert value(near, "a") == "a@100"


def test_nothing_is_left_behind_of_what_was_dropped(near: NearCache) -> None:
    for _ in range(3):
        keep(near, "a", "t", "u")
    near.invalidate(StreamPosition("e", 101), ["u"])
    assert (len(near), near.bytes, near._keys_by_tag) == (0, 0, {})
