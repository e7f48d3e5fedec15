"""The time that is left for the work at hand, passed on from call to call."""

import time
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("trivet_deadline", default=None)

HOP_SECONDS = 0.005
"""What a hop keeps for itself, so that the caller hears of a time-out before its own comes."""


class Within:
    """What `within` returns: a class, for every call passes one, and a generator costs three times as much."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token = _deadline.set(None if self._seconds is None else deadline_of(self._seconds))

    def __exit__(self, *exc: object) -> None:
        _deadline.reset(self._token)


def within(seconds: float | None) -> Within:
    """Give the calls made inside at most `seconds`, never more than they had; None lifts the limit."""
    return Within(seconds)


def deadline_of(seconds: float) -> float:
    """Return the monotonic time that is `seconds` away, or the deadline in force if that is sooner."""
    deadline, current = time.monotonic() + seconds, _deadline.get()
    return deadline if current is None or deadline < current else current


def lengthen(seconds: float) -> None:
    """Move the deadline in force, if there is one, that much later. It stays moved until its `within` ends."""
    if (deadline := _deadline.get()) is not None:
        _deadline.set(deadline + seconds)


def time_left() -> float | None:
    """Return how many seconds the work at hand has left, negative if they are over. None without a deadline."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()


def remaining(limit: float) -> float:
    """Return how many seconds an outgoing call may take: `limit`, or what is left less one hop. Never negative."""
    deadline = _deadline.get()
    return limit if deadline is None else max(0.0, min(limit, deadline - time.monotonic() - HOP_SECONDS))
