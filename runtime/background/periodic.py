"""Periodic work."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from runtime.background.tasks import end, is_asked_to_end
from runtime.errors import ServiceError

logger = logging.getLogger(__name__)
LONGEST_SECONDS = 30.0


@asynccontextmanager
async def periodically(
    name: str,
    seconds: float,
    work: Callable[[], Awaitable[object]],
    *,
    longest: float = LONGEST_SECONDS,
    first: float | None = None,
) -> AsyncIterator[None]:
    """Do `work` every `seconds` inside the block. Exceptions do not end it. `first` is the pause before the first time.

    Each failure doubles the next pause, up to `longest`. Repeated equal failures are logged once.
    """
    task = asyncio.create_task(_repeat(name, seconds, work, max(seconds, longest), seconds if first is None else first))
    try:
        yield
    finally:
        await end(task)


async def _repeat(
    name: str, seconds: float, work: Callable[[], Awaitable[object]], longest: float, first: float
) -> None:
    pause, logged = first, ""
    while True:
        await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311  # jitter, so that replicas spread
        failure = await _failure(work)
        if failure is None:
            pause, logged = seconds, ""
            continue
        pause = min(pause * 2, longest)
        if logged != (logged := f"{type(failure).__name__}: {failure}"):
            if isinstance(failure, ServiceError):
                logger.warning("%s failed, next try in %.1f s: %s", name, pause, failure)
            else:
                logger.error("%s failed, next try in %.1f s", name, pause, exc_info=failure)


async def _failure(work: Callable[[], Awaitable[object]]) -> BaseException | None:
    try:
        await work()
    except asyncio.CancelledError as error:
        if is_asked_to_end():
            raise
        return error  # a task that the work awaited was cancelled, not the work
    except Exception as error:  # any failure: the work is repeated
        return error
    return None
