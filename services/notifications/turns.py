"""Few look for log entries at a time, so that a slow store keeps connections for everybody's notifications."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.errors import Unavailable

AT_ONCE = 2
PATIENCE_SECONDS = 0.5
RETRY_SECONDS = 1.0


class Turns:
    """So many at once; whoever waits for a turn longer than `patience` seconds is told to come back."""

    def __init__(self, at_once: int = AT_ONCE, *, patience: float = PATIENCE_SECONDS) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._patience = patience

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Take a turn for as long as the block runs. Raises Unavailable (LOG_QUERIES_BUSY)."""
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable(
                "LOG_QUERIES_BUSY", "others are looking through the logs: try again", retry_after=RETRY_SECONDS
            ) from None
        try:
            yield
        finally:
            self._free.release()
