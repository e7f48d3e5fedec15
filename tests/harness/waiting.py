"""Waiting for something to become true, without guessing how long it takes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.01


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float) -> float:
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
