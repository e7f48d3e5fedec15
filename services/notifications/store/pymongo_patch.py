"""Replaces the driver's wait on Python 3.11, which can leave a lock taken for ever.

PyMongo waits for a connection, and for a server, by `asyncio.wait_for(condition.wait(), ...)`. Before Python 3.12 that
waits in a separate task. Suppose the wait times out and then its caller is cancelled too, as a deadline just behind the
driver's time-out does. The task then acquires the condition's lock, and no code releases it. From then on, every call
of the process waits for ever.
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

import pymongo.lock

T = TypeVar("T")
HAS_THE_FAULT = sys.version_info < (3, 12)


async def wait_here(awaitable: Awaitable[T], timeout: float | None) -> T:
    """Wait in the caller's task, as `asyncio.wait_for` does since Python 3.12. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        return await awaitable


def apply() -> None:
    """Replace the driver's wait on Python 3.11."""
    if HAS_THE_FAULT:
        pymongo.lock.wait_for = wait_here  # type: ignore[attr-defined, assignment]  # the module does not export the name
