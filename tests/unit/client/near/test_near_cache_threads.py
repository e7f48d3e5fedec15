"""Threads that look while the event loop's changes what is held."""

import contextlib
import math
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from trivet.client.near.near_cache import NearCache, StreamPosition

ROUNDS = 3_000
KEYS = [f"k{number}" for number in range(8)]


def looked_at_and_changed(near: NearCache) -> None:
    """Look in two threads while entries come, go and are invalidated; raise what goes wrong in one."""
    near.reset(StreamPosition("e", 0))
    near.tick_echoed(near.monotonic() + 3_600)
    done = threading.Event()
    least = 0
    """What is held from now on is no older."""

    def look() -> int:
        served = 0
        while not done.is_set():
            for key in KEYS:
                oldest = least
                if (found := near.peek(key)) is not None:
                    assert isinstance(found.value, int)
                    assert found.value >= oldest
                    served += 1
        return served

    with ThreadPoolExecutor(2) as threads:
        looking = [threads.submit(look) for _ in range(2)]
        try:
            for number in range(1, ROUNDS):
                for key in KEYS:
                    near.put(key, number, size=10, position=StreamPosition("e", number), tags=["t"], expires=math.inf)
                near.invalidate(StreamPosition("e", number + 1), ["t"])
                least = number + 1
        finally:
            done.set()
        assert sum(each.result() for each in looking) > 0
    assert (near.bytes, len(near)) == (0, 0)


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def with_little_room() -> NearCache:
    """Return a cache with too little room for all, so that some are dropped."""
    return NearCache(max_bytes=6 * 1_000)


def test_nobody_who_looks_after_an_invalidation_is_given_what_was_held_before() -> None:
    looked_at_and_changed(with_little_room())


def looked_at_without_the_lock() -> None:
    for _ in range(50):
        near = with_little_room()
        near._lock = contextlib.nullcontext()  # type: ignore[assignment]  # the protection off
        looked_at_and_changed(near)


def test_without_the_lock_an_entry_goes_between_two_steps_of_a_look() -> None:
    """The protection off: it happens in nearly every attempt."""
    with pytest.raises((KeyError, RuntimeError)):
        looked_at_without_the_lock()
