"""Coalesces reads of single entries: reads that come while a script runs share the next one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from runtime.tasks import end

logger = logging.getLogger(__name__)
T = TypeVar("T")

MOST_AT_ONCE = 256
TURNS_EACH, MOST_TURNS = 8, 40
"""How many turns of the event loop a script waits per read of a recent batch, and at most."""
FADING, ALONE = 0.9, 1.1
"""How fast a crowd is forgotten with each script, and from when on one read counts as alone."""


class ReadCoalescer(Generic[T]):
    """One script at a time, for all keys requested by then: a script costs far more than one key in it.

    No read shares a script that began before it. `read` returns None for all keys if the store fails; an exception
    counts as None. Reads that came meanwhile get None too, so that they do not wait for another time-out. Under load
    each script waits a moment for more reads; a single read does not wait.
    """

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[Sequence[T] | None]]) -> None:
        self._read = read
        self._crowd = 0.0
        self._wanted: list[tuple[str, asyncio.Future[T | None]]] = []
        self._reading: asyncio.Task[None] | None = None
        self._told = ""

    async def get(self, key: str) -> T | None:
        """Return the value of a key, None if the store fails."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[T | None] = loop.create_future()
        self._wanted.append((key, found))
        if self._reading is None:
            # A context of its own, without the deadline and the actor of the first request.
            self._reading = loop.create_task(self._read_while_any_is_wanted(), context=Context())
        return await found

    async def _read_while_any_is_wanted(self) -> None:
        try:
            while self._wanted:
                await self._let_others_come()
                batch, self._wanted = self._wanted[:MOST_AT_ONCE], self._wanted[MOST_AT_ONCE:]
                self._crowd = max(float(len(batch)), FADING * self._crowd)
                answers = await self._answers([key for key, _ in batch])
                if answers is None:
                    batch, self._wanted = [*batch, *self._wanted], []
                    answers = [None] * len(batch)  # type: ignore[list-item]  # the store failed
                for (_, found), answer in zip(batch, answers, strict=True):
                    if not found.done():  # its call may have ended
                        found.set_result(answer)
        finally:
            self._reading = None

    async def _answers(self, keys: Sequence[str]) -> Sequence[T] | None:
        try:
            return await self._read(keys)
        except Exception as error:  # whatever it was, those who wait must hear of something
            if self._told != (told := f"{type(error).__name__}: {error}"):
                self._told = told
                logger.exception("reading entries failed")
            return None

    async def drain(self) -> None:
        """End what is being read: nobody waits for it any more."""
        if self._reading is not None:
            await end(self._reading)

    async def _let_others_come(self) -> None:
        crowd = max(self._crowd, float(len(self._wanted)))
        for _ in range(min(int(TURNS_EACH * crowd), MOST_TURNS) if crowd > ALONE else 0):
            await asyncio.sleep(0)
