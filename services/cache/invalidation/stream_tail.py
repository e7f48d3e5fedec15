"""Follows the end of the invalidation stream with a blocking XREAD, to learn of other processes' invalidations."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from redis.exceptions import RedisError, ResponseError

from runtime.background.tasks import end
from services.cache.redis.store import Store
from services.cache.redis.wire import close, read_response, send

logger = logging.getLogger(__name__)

BLOCK_SECONDS = 5.0
MARGIN_SECONDS = 1.0
"""The time beyond BLOCK_SECONDS in which Redis must answer that no event came."""
PAUSE_SECONDS = 0.2
LONG_PAUSE_SECONDS = 5.0
STREAM_END = b"$"

OnEvent = Callable[[int], None]
"""Called with the offset of a new event."""


class StreamTail:
    """Waits for events on its own connection. It is a shortcut: the readers' next tick finds the events that it misses.

    It finds none if Redis is unreachable or does not permit XREAD.
    """

    def __init__(self, store: Store, on_event: OnEvent) -> None:
        self._store = store
        self._on_event = on_event

    async def run(self) -> None:
        """Listen for ever. No error ends it."""
        logged = ""
        while True:
            pause = PAUSE_SECONDS
            if self._store.is_up:
                try:
                    await self._listen()
                except ResponseError:  # Redis does not permit the command
                    pause = LONG_PAUSE_SECONDS
                except (RedisError, OSError, TimeoutError):
                    pass  # the store logs that Redis cannot be reached
                except Exception as error:  # for example a malformed response: the next one can be valid
                    pause = LONG_PAUSE_SECONDS
                    if logged != (logged := f"{type(error).__name__}: {error}"):
                        logger.warning("cannot listen to the invalidation stream", exc_info=error)
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        async with asyncio.timeout(MARGIN_SECONDS):
            connection = await self._store.connect()
        last = STREAM_END
        try:
            while True:
                async with asyncio.timeout(BLOCK_SECONDS + MARGIN_SECONDS):
                    words = (
                        "XREAD",
                        "COUNT",
                        1,
                        "BLOCK",
                        int(BLOCK_SECONDS * 1_000),
                        "STREAMS",
                        self._store.stream,
                        last,
                    )
                    await send(connection, *words)
                    answer = await read_response(connection)
                if answer is not None:
                    ((_, ((last, _),)),) = answer
                    self._on_event(int(last.partition(b"-")[0]))
        finally:
            await close(connection)


@asynccontextmanager
async def following_stream_tail(store: Store, on_event: OnEvent) -> AsyncIterator[None]:
    """Follow the stream inside the block."""
    listening = asyncio.create_task(StreamTail(store, on_event).run())
    try:
        yield
    finally:
        await end(listening)
