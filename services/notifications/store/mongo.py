"""The MongoDB database: connections, time-outs, indexes, and what the driver's failures mean, in this one place."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pymongo
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.errors import ConnectionFailure, PyMongoError, WriteConcernError

from runtime.background.tasks import Tasks, end
from runtime.errors import DeadlineExceeded, Unavailable
from runtime.paging import FIRST_CHUNK, M, Page
from runtime.telemetry.tracing import store_call
from services.notifications.settings import DEFAULT_DATABASE
from services.notifications.store import pymongo_patch, server_errors
from services.notifications.store.indexes import Collection
from services.notifications.store.pool_metrics import PoolGauges
from services.notifications.store.query_slots import LONG_PAGES, QuerySlots
from trivet.client.deadline import remaining

logger = logging.getLogger(__name__)
pymongo_patch.apply()

Document = dict[str, Any]
T = TypeVar("T")
Query = Callable[[Document | None], AsyncCursor[Document]]
"""Finds rows in their order: all, or those that follow the given one."""
Encode = Callable[[Document], M]
"""Makes a message of a document, for a page of them."""

DURABLE = WriteConcern("majority", j=True)
FAST = WriteConcern(1)
CONNECT_MS = 500
SERVER_SELECTION_MS = 1_000
# A server that said «I am no longer primary» is asked again at the next heartbeat; the driver's own 10 s are too long.
HEARTBEAT_MS = 500
INDEX_SECONDS = 30.0
RETRY_SECONDS = 0.3
PERMANENT_RETRY_SECONDS = 2.0
OVERRUN_SECONDS = 0.02


class Store:
    """The database. Until it is up and prepared, calls raise Unavailable."""

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        database: str,
        collections: Iterable[Collection],
        migrations: Iterable["Migration"] = (),
        *,
        timeout: float,
        connections: int,
    ) -> None:
        self._client = client
        self._timeout = timeout
        # Calls wait for a connection here, where a cancelled wait costs no connection.
        self._free_connections = asyncio.Semaphore(connections)
        # For pages of more than one statement: many concurrent ones would slow the store until other calls time out.
        self.long_pages = QuerySlots(busy=LONG_PAGES)
        self._tasks = Tasks("mongodb", limit=connections)
        self.is_prepared = False
        self._has_logged_unauthorized = False
        self.database = client[database]
        self._collections = tuple(collections)
        self._migrations = tuple(migrations)

    def collection(self, declared: Collection) -> AsyncCollection[Document]:
        """Return the driver's collection, with the write concern that its domain declares."""
        return self.database.get_collection(declared.name, write_concern=DURABLE if declared.is_durable else FAST)

    async def run(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of driver calls, which end by the store's own time-out, also after their caller has left.

        Cancelling a driver call costs its connection, so only waiting for it is cancelled. Inside its time the driver
        repeats what can be repeated. Raises Unavailable when the store cannot be reached or does not answer in time,
        and DeadlineExceeded when the time of the RPC is up first; whether a write was done is then unknown.
        """
        if not self.is_prepared:
            raise Unavailable("STORE_UNAVAILABLE", "not ready: waiting for MongoDB or a migration")
        limit = remaining(self._timeout)
        if limit <= 0:
            raise _deadline_exceeded()
        try:
            async with asyncio.timeout(limit):
                await self._free_connections.acquire()
                return await self._tasks.apart(self._limited(operation, work), self._free_connections.release)
        except TimeoutError:
            raise (_unavailable() if limit >= self._timeout else _deadline_exceeded()) from None

    async def read(self, operation: str, page: Page[Document, M], find: Query) -> None:
        """Fill a page with what a query finds, by several statements where many rows are wanted.

        Two such pages are made at once. Raises as `run`, and Unavailable (TOO_MANY_READS) if the turn of such a page
        does not come.
        """

        async def rows(limit: int, behind: Document | None) -> list[Document]:
            return await self.run(operation, lambda: find(behind).limit(limit).to_list())

        async with self.long_pages.slot() if page.missing > FIRST_CHUNK else nullcontext():
            await page.read(rows)

    async def _limited(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        try:
            # The driver's limit ends the statement at the server too, but the driver overruns it looking for a server.
            async with asyncio.timeout(self._timeout):
                with store_call("mongodb", operation), pymongo.timeout(self._timeout - OVERRUN_SECONDS):
                    return await work()
        except TimeoutError as error:
            raise _unavailable() from error
        except PyMongoError as error:
            if error.timeout or isinstance(error, ConnectionFailure | WriteConcernError):
                raise _unavailable() from error
            if server_errors.is_unauthorized(error):
                if not self._has_logged_unauthorized:
                    self._has_logged_unauthorized = True
                    await self._log_failure(error)
                raise Unavailable(
                    "STORE_UNAVAILABLE",
                    "MongoDB denies access: check MONGODB_URI",
                ) from error
            raise  # a bug of this service

    async def drain(self) -> None:
        """Wait for the driver calls whose callers have left."""
        await self._tasks.drain(self._timeout)

    async def ping(self) -> None:
        """Ask the store for a sign of life. Raises Unavailable without one, and until the indexes are made."""
        await self.run("ping", lambda: self._client.admin.command("ping"))

    async def prepare(self) -> None:
        """Make the indexes and run the migrations once the store answers, however long that takes.

        What is in the way is logged once: as an error, with the server and its version, where waiting does not mend it.
        """
        last = ""
        while not self.is_prepared:
            try:
                with pymongo.timeout(INDEX_SECONDS):
                    for each in self._collections:
                        await self.collection(each).create_indexes(list(each.indexes))
                for migrate in self._migrations:
                    await self._migrate(migrate)
                self.is_prepared = True
            except Exception as error:  # any failure: the next try can succeed
                pause = PERMANENT_RETRY_SECONDS if server_errors.is_permanent(error) else RETRY_SECONDS
                if (reason := f"{type(error).__name__} {getattr(error, 'code', '')}") != last:
                    await self._log_failure(error)
                    last = reason
                await asyncio.sleep(random.uniform(0.5, 1.5) * pause)  # noqa: S311  # jitter, not a secret

    async def _migrate(self, migrate: "Migration") -> None:
        found = 1
        while found:
            with pymongo.timeout(INDEX_SECONDS):
                found = await migrate(self)

    async def _log_failure(self, error: Exception) -> None:
        if not isinstance(error, PyMongoError):
            logger.error("creating indexes or migrating failed: this is a bug in Trivet", exc_info=error)
        elif server_errors.is_permanent(error):
            server, mend = await server_errors.server_of(self._client), server_errors.remedy_of(error)
            logger.error("MongoDB rejects a needed command: %s, from %s; %s", _describe(error), server, mend)
        else:
            logger.warning("indexes cannot be created yet; retrying: %s: %s", type(error).__name__, error)


def _describe(error: PyMongoError) -> str:
    """Return a server's refusal by its name and code, in its own words; the driver's text holds its whole answer."""
    details = getattr(error, "details", None) or {}
    name, code = details.get("codeName", type(error).__name__), details.get("code", "")
    return f"{name} {code}: {details.get('errmsg', error)}".replace(" :", ":")


def _unavailable() -> Unavailable:
    return Unavailable("STORE_UNAVAILABLE", "MongoDB does not answer the notifications service: retry later")


def _deadline_exceeded() -> DeadlineExceeded:
    return DeadlineExceeded("DEADLINE_EXCEEDED", "the deadline passed before MongoDB answered")


Migration = Callable[[Store], Awaitable[int]]
"""Migrates one batch of documents; returns how many it found, 0 at the end. It must be idempotent and run beside other
processes of this version and the last one."""


@asynccontextmanager
async def open_store(
    uri: str,
    collections: Iterable[Collection],
    migrations: Iterable[Migration] = (),
    *,
    pool_size: int = 20,
    timeout: float = 1.5,
) -> AsyncIterator[Store]:
    """Connect in the background, and make the indexes when the store is there. `timeout` is in seconds per call."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        uri,
        tz_aware=True,
        appname="trivet-notifications",
        maxPoolSize=pool_size,
        connectTimeoutMS=CONNECT_MS,
        serverSelectionTimeoutMS=SERVER_SELECTION_MS,
        heartbeatFrequencyMS=HEARTBEAT_MS,
        timeoutMS=int(timeout * 1_000),  # stands for the driver's socket and write-concern time-outs, and maxTimeMS
        retryReads=True,
        retryWrites=True,
        event_listeners=[PoolGauges()],
    )
    database = urlsplit(uri).path.strip("/") or DEFAULT_DATABASE
    store = Store(client, database, collections, migrations, timeout=timeout, connections=pool_size)
    preparing = asyncio.create_task(store.prepare())
    try:
        yield store
    finally:
        await end(preparing)
        await store.drain()
        await client.close()
