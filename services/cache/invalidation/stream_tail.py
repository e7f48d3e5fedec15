"""Hearing at once of what other processes have invalidated: Redis wakes whoever waits for the end of the stream."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from redis.exceptions import RedisError, ResponseError

from runtime.tasks import end
from services.cache.redis.store import Store
from services.cache.redis.wire import answer_of, close, send

logger = logging.getLogger(__name__)

BLOCK_SECONDS = 5.0
LATE_SECONDS = 1.0
"""How much longer Redis may take to say that nothing came."""
PAUSE_SECONDS = 0.2
REFUSED_PAUSE_SECONDS = 5.0
END = b"$"

Hear = Callable[[int], None]
"""Is told of an event's offset."""


class StreamTail:
    """Waits for events on a connection of its own. A hint, and no more: what it misses, the readers' next tick brings.

    Where Redis is away, or lets nobody read the stream by itself, nothing is heard.
    """

    def __init__(self, store: Store, hear: Hear) -> None:
        self._store = store
        self._hear = hear

    async def run(self) -> None:
        """Listen for ever, whatever goes wrong."""
        told = ""
        while True:
            pause = PAUSE_SECONDS
            if self._store.is_up:
                try:
                    await self._listen()
                except ResponseError:  # it lets nobody read the stream by itself
                    pause = REFUSED_PAUSE_SECONDS
                except (RedisError, OSError, TimeoutError):
                    pass  # the store tells of a Redis that is away
                except Exception as error:  # an answer of no shape: the next one may have one
                    pause = REFUSED_PAUSE_SECONDS
                    if told != (told := f"{type(error).__name__}: {error}"):
                        logger.warning("cannot listen to the invalidation stream", exc_info=error)
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        async with asyncio.timeout(LATE_SECONDS):
            connection = await self._store.connect()
        last = END
        try:
            while True:
                async with asyncio.timeout(BLOCK_SECONDS + LATE_SECONDS):
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
                    answer = await answer_of(connection)
                if answer is not None:
                    ((_, ((last, _),)),) = answer
                    self._hear(int(last.partition(b"-")[0]))
        finally:
            await close(connection)


@asynccontextmanager
async def following_stream_tail(store: Store, hear: Hear) -> AsyncIterator[None]:
    """Listen inside."""
    listening = asyncio.create_task(StreamTail(store, hear).run())
    try:
        yield
    finally:
        await end(listening)
