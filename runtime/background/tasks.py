"""Background tasks: bounded, counted, and awaited at shutdown."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from prometheus_client import Counter

from trivet.client.deadline import within

T = TypeVar("T")

logger = logging.getLogger(__name__)
dropped = Counter(
    "trivet_tasks_dropped_total", "Background work refused because too many tasks were running.", ["name"]
)
failed = Counter("trivet_tasks_failed_total", "Background work that ended with an unexpected error.", ["name"])
LOG_AGAIN_SECONDS = 60.0


class TooManyTasksError(Exception):
    """The limit of tasks is reached. The work was not started."""


class Tasks:
    """A set of background tasks with an upper bound."""

    def __init__(self, name: str, *, limit: int = 1_000) -> None:
        self._name = name
        self._limit = limit
        self._running: set[asyncio.Task[Any]] = set()
        self._logged, self._logged_at = "", 0.0

    @classmethod
    @asynccontextmanager
    async def draining(cls, name: str, seconds: float, *, limit: int = 1_000) -> AsyncIterator[Self]:
        """Yield tasks. After the block they have `seconds` to end, so their resources must outlive the block."""
        tasks = cls(name, limit=limit)
        try:
            yield tasks
        finally:
            await tasks.drain(seconds)

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task of its own. The caller's cancellation and deadline do not apply to it.

        The trace continues. Raises TooManyTasksError at the limit.
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

    async def apart(self, work: Coroutine[Any, Any, T], at_end: Callable[[], None] | None = None) -> T:
        """Run `work` as `start` does, and return its result. If the caller is cancelled, the work continues.

        `at_end` is called when the work ends, also if it fails. Raises TooManyTasksError at the limit.
        """
        # asyncio.shield would cost another iteration of the event loop.
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            task = self.start(_settle(outcome, work))
        except TooManyTasksError:
            work.close()
            raise
        if at_end is not None:
            task.add_done_callback(lambda _: at_end())
        return await outcome

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        failed.labels(self._name).inc()
        failure, now = f"{type(error).__name__}: {error}", time.monotonic()
        if (
            failure != self._logged or now - self._logged_at >= LOG_AGAIN_SECONDS
        ):  # the same failure of many tasks is logged once
            self._logged, self._logged_at = failure, now
            logger.error("background work failed: %s", self._name, exc_info=error)

    async def drain(self, timeout: float) -> None:
        """Wait for the running tasks, and for the tasks they start. Then cancel the remaining ones."""
        ends = time.monotonic() + timeout
        while self._running and (left := ends - time.monotonic()) > 0:
            await asyncio.wait(self._running, timeout=left)
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def _settle(outcome: "asyncio.Future[T]", work: Coroutine[Any, Any, T]) -> None:
    """Pass on the result or the exception of the work. The caller can have left. The task itself does not fail."""
    try:
        result = await work
    except Exception as error:  # raised in the caller
        if not outcome.done():
            outcome.set_exception(error)
    except BaseException:  # a cancelled task: its caller is cancelled too
        outcome.cancel()
        raise
    else:
        if not outcome.done():
            outcome.set_result(result)


def is_asked_to_end() -> bool:
    """Whether the current task was cancelled. If not, a CancelledError comes from a task that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait until it has ended."""
    task.cancel()
    await asyncio.wait({task})
    with contextlib.suppress(asyncio.CancelledError):
        task.result()
