"""Reads the requests of long-lived streams until they are silent for too long or the process shuts down."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from runtime.errors import ResourceExhausted

M = TypeVar("M")

MAX_STREAMS = 1_024


class BoundedStreams:
    """Reads from at most `most` streams. A stream without a message for `silence_seconds` counts as dead."""

    def __init__(self, silence_seconds: float, *, most: int = MAX_STREAMS) -> None:
        self._silence_seconds = silence_seconds
        self._left = most
        self._waiting: set[asyncio.Timeout] = set()
        self._is_closed = False

    async def messages(self, requests: AsyncIterator[M]) -> AsyncIterator[M]:
        """Yield the messages of one stream, until its end or `close`.

        Raises TimeoutError after `silence_seconds` without a message, and ResourceExhausted for too many streams.
        """
        if self._left <= 0:
            raise ResourceExhausted(
                "TOO_MANY_STREAMS", "this process has reached its limit of open streams: retry later"
            )
        self._left -= 1
        try:
            async for message in self._messages(aiter(requests)):
                yield message
        finally:
            self._left += 1

    async def _messages(self, iterator: AsyncIterator[M]) -> AsyncIterator[M]:
        while not self._is_closed:
            try:
                async with asyncio.timeout(self._silence_seconds) as timeout:
                    self._waiting.add(timeout)
                    try:
                        message = await anext(iterator)
                    finally:
                        self._waiting.discard(timeout)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if self._is_closed:
                    return
                raise
            yield message

    def close(self) -> None:
        """Read no further message from any stream. Messages that were read are still answered."""
        self._is_closed = True
        now = asyncio.get_running_loop().time()
        for timeout in self._waiting:
            timeout.reschedule(now)
