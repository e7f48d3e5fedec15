"""Waiting for something to become true, without guessing how long it takes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

PAUSE_SECONDS = 0.01


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 20.0) -> float:
    """Ask until the condition holds; return how long that took. Raises TimeoutError after `seconds`."""
    began = time.monotonic()
    while True:
        holds = condition()
        if inspect.isawaitable(holds):
            holds = await holds
        taken = time.monotonic() - began
        if holds:
            return taken
        if taken > seconds:
            raise TimeoutError(f"it did not become true in {seconds} s: {condition}")
        await asyncio.sleep(PAUSE_SECONDS)


async def end_all(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def eventually(claim: Callable[[], bool], *, seconds: float) -> None:
    """As `until`, for a test without an event loop; an OSError of the claim's own counts as not yet."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if claim():
                return
        except OSError as error:
            last = error
        time.sleep(PAUSE_SECONDS)
    raise TimeoutError(f"not true within {seconds} s") from last


@contextmanager
def taking(least: float, most: float) -> Iterator[None]:
    """Fail unless what happens inside takes between `least` and `most` seconds.

    `least` shows that the bound was reached at all, and `most` lies far above what a busy machine needs: at least three
    times as much, and still below what happens without the protection.
    """
    began = time.monotonic()
    yield
    in_time(time.monotonic() - began, least, most)


def in_time(taken: float, least: float, most: float) -> None:
    """As `taking`, for a time that was taken elsewhere."""
    assert least <= taken < most, f"took {taken:.3f} s, wanted {least} to {most}"
