"""Work that outlives the call that began it: bounded, counted, awaited at the end."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from prometheus_client import Counter

from trivet.client.deadline import within

T = TypeVar("T")

logger = logging.getLogger(__name__)
dropped = Counter("trivet_tasks_dropped_total", "Background work refused because too much was waiting.", ["name"])


class TooManyTasksError(Exception):
    """The bound is reached; the work was not begun."""


class Tasks:
    """A set of background tasks with an upper bound."""

    def __init__(self, name: str, *, limit: int = 1_000) -> None:
        self._name = name
        self._limit = limit
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task of its own, which neither the caller's cancel nor its deadline reaches.

        The trace goes on, the deadline does not. Raises TooManyTasksError at the bound.
        """
        if len(self._running) >= self._limit:
            work.close()
            dropped.labels(self._name).inc()
            raise TooManyTasksError(self._name)
        with within(None):
            task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("background work failed: %s", self._name, exc_info=error)

    async def drain(self, timeout: float) -> None:
        """Wait for what is running, then cancel what is left."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def outcome(work: Coroutine[Any, Any, T]) -> tuple[T | None, Exception | None]:
    """Return the result or the exception of work whose caller may have left: a failed call is no failed task."""
    try:
        return await work, None
    except Exception as error:  # raised where somebody waits for it
        return None, error
