"""The deadline of the current work. Each outgoing call gets the time that is left."""

import time
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("trivet_deadline", default=None)

HOP_SECONDS = 0.005
"""What each hop keeps of the time, so that it can still answer when its own call has timed out."""


class Within:
    """The context manager of `within`. A class, because a generator costs three times as much."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token = _deadline.set(None if self._seconds is None else deadline_of(self._seconds))

    def __exit__(self, *exc: object) -> None:
        _deadline.reset(self._token)


def within(seconds: float | None) -> Within:
    """Limit the calls inside the block to `seconds`, or to the time left if that is less. None removes the deadline."""
    return Within(seconds)


def deadline_of(seconds: float) -> float:
    """Return the monotonic time in `seconds` from now, or the current deadline if that is earlier."""
    deadline, current = time.monotonic() + seconds, _deadline.get()
    return deadline if current is None or deadline < current else current


def lengthen(seconds: float) -> None:
    """Move the current deadline later by `seconds`, until its `within` block ends. Without a deadline, do nothing."""
    if (deadline := _deadline.get()) is not None:
        _deadline.set(deadline + seconds)


def time_left() -> float | None:
    """Return the seconds until the current deadline, negative after it. None without a deadline."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()


def remaining(limit: float) -> float:
    """Return the timeout of an outgoing call in seconds: `limit`, or the time left less HOP_SECONDS. Never negative."""
    deadline = _deadline.get()
    return limit if deadline is None else max(0.0, min(limit, deadline - time.monotonic() - HOP_SECONDS))
