"""Work that comes back for as long as the process lives."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from runtime.errors import ServiceError

logger = logging.getLogger(__name__)
LONGEST_SECONDS = 30.0


@asynccontextmanager
async def periodically(
    name: str, seconds: float, work: Callable[[], Awaitable[object]], *, longest: float = LONGEST_SECONDS
) -> AsyncIterator[None]:
    """Do `work` every so many seconds while inside. After a failure the next pause is longer, up to `longest`."""
    task = asyncio.create_task(_repeat(name, seconds, work, max(seconds, longest)))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _repeat(name: str, seconds: float, work: Callable[[], Awaitable[object]], longest: float) -> None:
    pause, told = seconds, ""
    while True:
        await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311  # jitter, so that replicas spread
        try:
            await work()
            pause, told = seconds, ""
        except ServiceError as error:
            pause = min(pause * 2, longest)
            if told != (told := str(error)):  # once, however long it lasts
                logger.warning("%s failed, next try in %.1f s: %s", name, pause, error)
        except Exception:  # whatever it was, the work comes back
            pause = min(pause * 2, longest)
            logger.exception("%s failed, next try in %.1f s", name, pause)
