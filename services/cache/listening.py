"""What readers say on streams that stay open: for as long as they say something, and until the process drains."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

M = TypeVar("M")


class Listening:
    """Listens to any number of streams. One that says nothing for `silence_seconds` is left: it may be dead."""

    def __init__(self, silence_seconds: float) -> None:
        self._silence_seconds = silence_seconds
        self._waiting: set[asyncio.Timeout] = set()
        self._is_closed = False

    async def words(self, requests: AsyncIterator[M]) -> AsyncIterator[M]:
        """Yield what one stream brings, to its end or until `close`. Raises TimeoutError when it has gone silent."""
        iterator = aiter(requests)
        while not self._is_closed:
            try:
                async with asyncio.timeout(self._silence_seconds) as patience:
                    self._waiting.add(patience)
                    try:
                        word = await anext(iterator)
                    finally:
                        self._waiting.discard(patience)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if self._is_closed:
                    return
                raise
            yield word

    def close(self) -> None:
        """Listen no more: what is being answered is answered still."""
        self._is_closed = True
        now = asyncio.get_running_loop().time()
        for patience in self._waiting:
            patience.reschedule(now)
