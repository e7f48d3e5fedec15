"""A way of waiting that the driver's pool and topology survive, on Python 3.11.

PyMongo waits for a connection, and for a server, by `asyncio.wait_for(condition.wait(), ...)`. Before Python 3.12 that
waits in a task of its own. If the wait times out and then its caller is cancelled as well, which is what a deadline
just behind the driver's own does, that task is left alone: it takes the condition's lock, as it must, and nobody is
there to give it back. From then on every call of the process waits for ever.
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

import pymongo.lock

T = TypeVar("T")
HAS_THE_FAULT = sys.version_info < (3, 12)


async def wait_here(awaitable: Awaitable[T], timeout: float | None) -> T:
    """Wait in the caller's own task, as `asyncio.wait_for` does from Python 3.12 on. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        return await awaitable


def apply() -> None:
    """Replace the driver's wait on Python 3.11."""
    if HAS_THE_FAULT:
        pymongo.lock.wait_for = wait_here  # type: ignore[attr-defined, assignment]  # it imports the name for itself alone
