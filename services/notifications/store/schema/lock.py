"""The lock that lets one process migrate MongoDB at a time: a document with a lease, by the server's clock."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError, PyMongoError

from runtime.background.tasks import end
from services.notifications.store.schema.history import Database, operator

NAME = "schema_lock"
KEY = "migrate"
LEASE = timedelta(seconds=15)
RENEW_SECONDS = 5
LOCK_SECONDS = 60.0
RETRY_SECONDS = 0.2

OnWait = Callable[[str], None]
"""Takes the description of the holder, once, when the wait begins."""


class MigrationLockError(Exception):
    """Another process has migrated for longer than we wait. The text says which."""


def ignore(holder: str) -> None:
    """Tell no one about a wait."""


@asynccontextmanager
async def only_one(
    database: Database, on_wait: OnWait = ignore, *, seconds: float = LOCK_SECONDS
) -> AsyncIterator[None]:
    """Hold the lock. Raises MigrationLockError that names the holder.

    A killed holder's lease ends after LEASE. Every change can be repeated, so two holders do no harm.
    """
    token = secrets.token_hex(8)
    await _wait(database, token, on_wait, seconds)
    renewing = asyncio.create_task(_renew(database, token))
    try:
        yield
    finally:
        await end(renewing)
        with suppress(PyMongoError):  # the lease ends by itself
            await database[NAME].delete_one({"_id": KEY, "token": token})


async def _wait(database: Database, token: str, on_wait: OnWait, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    has_told = False
    while not await _take(database, token):
        held = await database[NAME].find_one({"_id": KEY})
        holder = held["holder"] if held else "another process"
        if not has_told:
            has_told = True
            on_wait(holder)
        if loop.time() >= ends:
            raise MigrationLockError(holder)
        await asyncio.sleep(RETRY_SECONDS)


async def _take(database: Database, token: str) -> bool:
    """Write our name into the lock if there is none, or if its lease has ended."""
    now = await _now(database)
    mine = {"token": token, "holder": f"{operator()} (process {os.getpid()})", "until": now + LEASE}
    try:
        await database[NAME].update_one({"_id": KEY, "until": {"$lte": now}}, {"$set": mine}, upsert=True)
    except DuplicateKeyError:  # it is there, and its lease has not ended
        return False
    return True


async def _renew(database: Database, token: str) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        with suppress(PyMongoError):  # the next renewal is still in time
            until = await _now(database) + LEASE
            await database[NAME].update_one({"_id": KEY, "token": token}, {"$set": {"until": until}})


async def _now(database: Database) -> datetime:
    """Return the time of the server: the clocks of migrators need not agree."""
    time: datetime = (await database.client.admin.command("hello"))["localTime"]
    return time
