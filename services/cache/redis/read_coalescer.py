"""Coalesces reads of single entries: reads that come while a script runs share the next one."""

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
"""How many turns of the event loop a script waits per read of a recent batch, and at most."""
DECAY, SINGLE_READ = 0.9, 1.1
"""How fast a expected is forgotten with each script, and from when on one read counts as alone."""


class ReadCoalescer(Generic[T]):
    """One script at a time, for all keys requested by then: a script costs far more than one key in it.

    No read shares a script that began before it. `read` returns None for all keys if the store fails; an exception
    counts as None. Reads that came meanwhile get None too, so that they do not wait for another time-out. Under load
    each script waits a moment for more reads; a single read does not wait.
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
            # A context of its own, without the deadline and the actor of the first request.
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
                    if not found.done():  # its call may have ended
                        found.set_result(value)
        finally:
            self._reading = None

    async def _values(self, keys: Sequence[str]) -> Sequence[T] | None:
        try:
            return await self._read(keys)
        except Exception as error:  # whatever it was, those who wait must hear of something
            if self._logged_error != (logged := f"{type(error).__name__}: {error}"):
                self._logged_error = logged
                logger.exception("reading entries failed")
            return None

    async def drain(self) -> None:
        """End what is being read: nobody waits for it any more."""
        if self._reading is not None:
            await end(self._reading)

    async def _wait_for_more(self) -> None:
        expected = max(self._recent_batch, float(len(self._queued)))
        for _ in range(min(int(YIELDS_PER_READ * expected), MAX_YIELDS) if expected > SINGLE_READ else 0):
            await asyncio.sleep(0)
