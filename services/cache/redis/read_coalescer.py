"""Coalesces reads of single entries: reads that arrive while a script runs share the next script."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from runtime.background.tasks import end

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_KEYS_PER_SCRIPT = 256
YIELDS_PER_READ, MAX_YIELDS = 8, 40
"""The number of event loop iterations that a script waits per read of recent batches, and the maximum."""
DECAY, SINGLE_READ = 0.9, 1.1
"""The factor by which the size of recent batches decays per script, and the size up to which no script waits."""


class ReadCoalescer(Generic[T]):
    """Runs one script at a time, for all keys that wait, because a script costs far more than a key in it.

    A read never shares a script that started before it. `read` returns None for all keys if the store fails. An
    exception counts as None. The reads that wait meanwhile get None too, instead of another time-out. Under load, each
    script waits a moment for more reads. A single read does not wait.
    """

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[Sequence[T] | None]]) -> None:
        self._read = read
        self._recent_batch = 0.0
        self._queued: list[tuple[str, asyncio.Future[T | None]]] = []
        self._reading: asyncio.Task[None] | None = None
        self._logged_error = ""

    async def get(self, key: str) -> T | None:
        """Return the value of a key, None if the store fails."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[T | None] = loop.create_future()
        self._queued.append((key, found))
        if self._reading is None:
            # A new context, without the deadline and the actor of the first request.
            self._reading = loop.create_task(self._read_while_queued(), context=Context())
        return await found

    async def _read_while_queued(self) -> None:
        try:
            while self._queued:
                await self._wait_for_more()
                batch, self._queued = self._queued[:MAX_KEYS_PER_SCRIPT], self._queued[MAX_KEYS_PER_SCRIPT:]
                self._recent_batch = max(float(len(batch)), DECAY * self._recent_batch)
                values = await self._values([key for key, _ in batch])
                if values is None:
                    batch, self._queued = [*batch, *self._queued], []
                    values = [None] * len(batch)  # type: ignore[list-item]  # the store failed
                for (_, found), value in zip(batch, values, strict=True):
                    if not found.done():  # its call can have ended
                        found.set_result(value)
        finally:
            self._reading = None

    async def _values(self, keys: Sequence[str]) -> Sequence[T] | None:
        try:
            return await self._read(keys)
        except Exception as error:  # whatever fails, the waiting reads need a result
            if self._logged_error != (logged := f"{type(error).__name__}: {error}"):
                self._logged_error = logged
                logger.exception("cannot read entries")
            return None

    async def drain(self) -> None:
        """Cancel the running script. Call it when no read waits any more."""
        if self._reading is not None:
            await end(self._reading)

    async def _wait_for_more(self) -> None:
        expected = max(self._recent_batch, float(len(self._queued)))
        for _ in range(min(int(YIELDS_PER_READ * expected), MAX_YIELDS) if expected > SINGLE_READ else 0):
            await asyncio.sleep(0)
