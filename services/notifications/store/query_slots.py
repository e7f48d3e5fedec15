"""Limits concurrent long reads, so that a slow store has connections left for other calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.errors import Unavailable

LOG_QUERIES = ("LOG_QUERIES_BUSY", "too many log queries are running: retry later")
LONG_PAGES = ("TOO_MANY_READS", "too many long pages are being read: retry later, or request fewer rows")
AT_ONCE = 2
MAX_WAIT_SECONDS = 0.5
RETRY_SECONDS = 1.0


class QuerySlots:
    """At most `at_once` reads run. A read that waits longer than `max_wait` seconds fails.

    `busy` is the reason and the message of that error.
    """

    def __init__(
        self,
        at_once: int = AT_ONCE,
        *,
        max_wait: float = MAX_WAIT_SECONDS,
        busy: tuple[str, str] = LOG_QUERIES,
    ) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._max_wait = max_wait
        self._busy = busy

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot inside the block. Raises Unavailable if none is free in time."""
        try:
            async with asyncio.timeout(self._max_wait):
                await self._free.acquire()
        except TimeoutError:
            raise Unavailable(*self._busy, retry_after=RETRY_SECONDS) from None
        try:
            yield
        finally:
            self._free.release()
