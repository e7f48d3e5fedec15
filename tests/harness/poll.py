"""Waiting for what becomes true."""

import asyncio
import time
from collections.abc import Callable

EVERY_SECONDS = 0.05


def eventually(claim: Callable[[], bool], *, seconds: float) -> None:
    """Return as soon as the claim holds; an error of its own counts as not yet. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if claim():
                return
        except OSError as error:
            last = error
        time.sleep(EVERY_SECONDS)
    raise AssertionError(f"not true within {seconds} s") from last


async def soon(claim: Callable[[], bool], *, seconds: float) -> None:
    """As `eventually`, while the test's own event loop goes on."""
    await asyncio.to_thread(eventually, claim, seconds=seconds)
