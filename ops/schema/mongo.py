"""Work on MongoDB for operators: its address, one connection, and what its failures mean."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ops.errors import CommandFailed, WrongSettings
from ops.settings import OpsSettings
from ops.settings_reader import read_settings
from ops.stack.running import found as running_stack
from ops.stack.stores import is_given
from ops.store_wait import once_it_answers

if TYPE_CHECKING:
    from services.notifications.store.schema.history import Database

T = TypeVar("T")
SELECTION_MS = 3_000
TIMEOUT_MS = 30_000
ABSENT = "set MONGODB_URI, or start the stack with `trivet run`"


def uri() -> str | None:
    """Return the address of MongoDB: the one in the settings, else the running stack's; None if there is neither."""
    if is_given("mongodb", os.environ):
        from services.notifications.store.settings import MongoSettings

        return read_settings(MongoSettings).mongodb_uri.get_secret_value()
    running = running_stack(read_settings(OpsSettings).data_folder)
    return running.stores.get("MONGODB_URI") if running else None


def required_uri() -> str:
    """Return the address of MongoDB. Raises WrongSettings if there is none."""
    if (address := uri()) is None:
        raise WrongSettings(f"there is no MongoDB: {ABSENT}")
    return address


def database_of(address: str) -> str:
    """Return the name of the database in an address."""
    from services.notifications.store.settings import DEFAULT_DATABASE

    return urlsplit(address).path.strip("/") or DEFAULT_DATABASE


def with_mongo(work: "Callable[[Database], Awaitable[T]]", address: str, *, wait: bool = False) -> T:
    """Do the work on the database, with `wait` once it answers. Raises CommandFailed with advice for the operator."""
    from services.notifications.store.schema.lock import MigrationLockError

    return once_it_answers("MongoDB", lambda: asyncio.run(_work(work, address)), locked=MigrationLockError, wait=wait)


async def _work(work: "Callable[[Database], Awaitable[T]]", address: str) -> T:
    from pymongo import AsyncMongoClient
    from pymongo.errors import OperationFailure, PyMongoError

    from services.notifications.store import server_errors

    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        address,
        tz_aware=True,
        appname="trivet-ops",
        serverSelectionTimeoutMS=SELECTION_MS,
        connectTimeoutMS=SELECTION_MS,
        timeoutMS=TIMEOUT_MS,
    )
    try:
        return await work(client[database_of(address)])
    except OperationFailure as error:
        if not server_errors.is_permanent(error):
            raise CommandFailed(f"MONGODB_URI: MongoDB did not do it ({_line(error)}): try again") from None
        raise WrongSettings(f"MONGODB_URI: {_line(error)}: {server_errors.remedy_of(error)}") from None
    except PyMongoError as error:
        raise CommandFailed(
            f"MONGODB_URI: MongoDB fails or does not answer ({_line(error)}): check that it is running"
        ) from None
    finally:
        await client.close()


def _line(error: Exception) -> str:
    """Return the first sentence of a driver's error: what follows is the topology."""
    return " ".join(str(error).partition(", Timeout:")[0].partition(", full error:")[0].split())
