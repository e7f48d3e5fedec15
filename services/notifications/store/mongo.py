"""The MongoDB database: connections, time-outs, indexes, and the translation of the driver's errors."""

import asyncio
import logging
import random
import time
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
from runtime.telemetry.tracing import store_call, store_pool_limit, store_pool_wait
from services.notifications.store import pymongo_patch, server_errors
from services.notifications.store.indexes import Collection
from services.notifications.store.pool_metrics import PoolGauges
from services.notifications.store.query_slots import LONG_PAGES, QuerySlots
from services.notifications.store.schema.schema_check import RefusedSchemaError, SchemaCheck
from services.notifications.store.settings import DEFAULT_DATABASE
from trivet.client.deadline import remaining

logger = logging.getLogger(__name__)
pymongo_patch.apply()

Document = dict[str, Any]
T = TypeVar("T")
Query = Callable[[Document | None], AsyncCursor[Document]]
"""Returns a cursor over rows in their order: over all of them, or over those behind the given row."""
Encode = Callable[[Document], M]
"""Encodes a document as a message of a page."""

DURABLE = WriteConcern("majority", j=True)
FAST = WriteConcern(1)
CONNECT_MS = 500
SERVER_SELECTION_MS = 1_000
# A server that is no longer primary is checked again at the next heartbeat. The driver's default of 10 s is too long.
HEARTBEAT_MS = 500
INDEX_SECONDS = 30.0
RETRY_SECONDS = 0.3
PING = "ping"
PERMANENT_RETRY_SECONDS = 2.0
OVERRUN_SECONDS = 0.02
LOG_AGAIN_SECONDS = 60.0

wait_times = store_pool_wait.of("mongodb")


class Store:
    """The database. Until it is reachable and prepared, calls raise Unavailable."""

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        database: str,
        migrations: Iterable["Migration"] = (),
        *,
        timeout: float,
        connections: int,
    ) -> None:
        self._client = client
        self._timeout = timeout
        # Calls wait here for a connection, because a cancelled wait here costs no connection.
        self._free_connections = asyncio.Semaphore(connections)
        store_pool_limit.labels("mongodb").set(connections)
        # For pages that take several statements. Many at once would slow the store until other calls time out.
        self.long_pages = QuerySlots(busy=LONG_PAGES)
        self._tasks = Tasks("mongodb", limit=connections)
        self.is_prepared = False
        self._log_outage_from = 0.0
        self._schema = SchemaCheck()
        self.database = client[database]
        self._migrations = tuple(migrations)

    def collection(self, declared: Collection) -> AsyncCollection[Document]:
        """Return the driver's collection, with the write concern of its declaration."""
        return self.database.get_collection(declared.name, write_concern=DURABLE if declared.is_durable else FAST)

    async def run(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        """Run driver calls and return their result. `operation` is their name in metrics and traces.

        The calls end by the store's own time-out, even if their caller has left, because cancelling a driver call costs
        its connection. Only the wait for them is cancelled. The driver retries what is safe to retry. Raises
        Unavailable if the store cannot be reached or does not answer in time. Raises DeadlineExceeded if the RPC's
        deadline ends first. After either, a write can have been done.
        """
        if not self.is_prepared:
            raise self._schema.refusal or Unavailable(
                "STORE_UNAVAILABLE", "not ready: waiting for MongoDB or a migration"
            )
        if self._schema.refusal is not None and operation != PING:
            raise self._schema.refusal
        limit = remaining(self._timeout)
        if limit <= 0:
            raise _deadline_exceeded()
        try:
            async with asyncio.timeout(limit):
                await self._wait_for_connection()
                return await self._tasks.apart(self._limited(operation, work), self._free_connections.release)
        except TimeoutError:
            raise (_unavailable() if limit >= self._timeout else _deadline_exceeded()) from None

    async def _wait_for_connection(self) -> None:
        if not self._free_connections.locked():
            await self._free_connections.acquire()
            return
        began = time.monotonic()
        try:
            await self._free_connections.acquire()
        finally:
            wait_times.observe(time.monotonic() - began)

    async def read(self, operation: str, page: Page[Document, M], find: Query) -> None:
        """Fill a page with the rows of a query. A page of many rows takes several statements.

        Two such long pages are read at once. Raises as `run` does. Raises Unavailable (TOO_MANY_READS) if a long page
        has to wait too long.
        """

        async def rows(limit: int, behind: Document | None) -> list[Document]:
            return await self.run(operation, lambda: find(behind).limit(limit).to_list())

        async with self.long_pages.slot() if page.missing > FIRST_CHUNK else nullcontext():
            await page.read(rows)

    async def _limited(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        try:
            # The driver's time-out also ends the statement at the server. Selecting a server can take longer than it.
            async with asyncio.timeout(self._timeout):
                with store_call("mongodb", operation), pymongo.timeout(self._timeout - OVERRUN_SECONDS):
                    return await work()
        except TimeoutError as error:
            raise _unavailable() from error
        except PyMongoError as error:
            if error.timeout or isinstance(error, ConnectionFailure | WriteConcernError):
                raise _unavailable() from error
            if server_errors.is_unauthorized(error):
                await self._log_outage(error)
                raise Unavailable("STORE_UNAVAILABLE", "MongoDB denies access: check MONGODB_URI") from error
            if server_errors.is_server_failure(error):
                await self._log_outage(error)
                raise Unavailable("STORE_UNAVAILABLE", "MongoDB failed: see its log") from error
            raise  # a bug in this service

    async def _log_outage(self, error: PyMongoError) -> None:
        """Log an error that affects every call, once in LOG_AGAIN_SECONDS."""
        now = asyncio.get_running_loop().time()
        if now >= self._log_outage_from:
            self._log_outage_from = now + LOG_AGAIN_SECONDS
            await self._log_failure(error)

    @property
    def schema_refusal(self) -> Unavailable | None:
        """Why the schema cannot be worked with, None if it can."""
        return self._schema.refusal

    async def drain(self) -> None:
        """Wait for driver calls whose callers have left, up to the store's time-out."""
        await self._tasks.drain(self._timeout)

    async def ping(self) -> None:
        """Read from the store. Raises Unavailable if that fails, and until the indexes and migrations are done.

        A read, because a server whose storage has failed still answers the command `ping`. It reads the schema's
        history, and raises Unavailable for a schema that this code cannot work with.
        """
        await self.run(PING, lambda: self._schema.look(self.database))

    async def prepare(self) -> None:
        """Create the indexes and run the migrations. Retry until both are done.

        Each new failure is logged once: as an error with the server's version if it is permanent, else as a warning.
        """
        last = ""
        while not self.is_prepared:
            try:
                await self._schema.prepare(self.database)
                for migrate in self._migrations:
                    await self._migrate(migrate)
                self.is_prepared = True
            except RefusedSchemaError:  # the log has it
                await asyncio.sleep(PERMANENT_RETRY_SECONDS)
            except Exception as error:  # whatever fails, the next attempt can succeed
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
            logger.error("cannot create the indexes or migrate: this is a bug in Trivet", exc_info=error)
        elif server_errors.is_permanent(error) or server_errors.is_server_failure(error):
            server, mend = await server_errors.server_of(self._client), server_errors.remedy_of(error)
            logger.error("MongoDB fails a required command: %s, from %s; %s", _describe(error), server, mend)
        else:
            logger.warning("cannot create the indexes yet; retrying: %s: %s", type(error).__name__, error)


def _describe(error: PyMongoError) -> str:
    """Return the name, code and text of a server's error. The driver's own text would contain the whole response."""
    details = getattr(error, "details", None) or {}
    name, code = details.get("codeName", type(error).__name__), details.get("code", "")
    return f"{name} {code}: {details.get('errmsg', error)}".replace(" :", ":")


def _unavailable() -> Unavailable:
    return Unavailable("STORE_UNAVAILABLE", "MongoDB does not answer the notifications service: retry later")


def _deadline_exceeded() -> DeadlineExceeded:
    return DeadlineExceeded("DEADLINE_EXCEEDED", "the deadline passed before MongoDB answered")


Migration = Callable[[Store], Awaitable[int]]
"""Migrates one batch of documents. Returns the number that it found, 0 at the end. It must be idempotent, and safe
beside other processes of this version and the previous one."""


@asynccontextmanager
async def open_store(
    uri: str,
    migrations: Iterable[Migration] = (),
    *,
    pool_size: int = 20,
    timeout: float = 1.5,
) -> AsyncIterator[Store]:
    """Connect and prepare the store in the background. `timeout` is in seconds per call."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        uri,
        tz_aware=True,
        appname="trivet-notifications",
        maxPoolSize=pool_size,
        connectTimeoutMS=CONNECT_MS,
        serverSelectionTimeoutMS=SERVER_SELECTION_MS,
        heartbeatFrequencyMS=HEARTBEAT_MS,
        timeoutMS=int(timeout * 1_000),  # replaces the driver's socket and write-concern time-outs, and maxTimeMS
        retryReads=True,
        retryWrites=True,
        event_listeners=[PoolGauges()],
    )
    database = urlsplit(uri).path.strip("/") or DEFAULT_DATABASE
    store = Store(client, database, migrations, timeout=timeout, connections=pool_size)
    preparing = asyncio.create_task(store.prepare())
    try:
        yield store
    finally:
        await end(preparing)
        await store.drain()
        await client.close()
