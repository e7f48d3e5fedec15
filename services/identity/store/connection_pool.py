"""The connections to the database: a fixed number, each lent to one piece of work at a time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiosqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from runtime.telemetry.tracing import store_pool_in_use, store_pool_size
from services.identity.store.engine import pooler
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.faults.codes import Fault
from services.identity.store.faults.errors import busy, fault_of

CLOSING_SECONDS = 1.0

CheckSchema = Callable[[AsyncConnection], Awaitable[bool]]
"""Looks at a database: raises if it is not one to work with, returns whether its schema is exactly ours."""


class LentConnection:
    """An open connection: SQLAlchemy's, and the driver's own below it."""

    __slots__ = ("_info", "_statement_seconds", "connection", "driver", "idle_since", "is_pooled")

    def __init__(
        self, connection: AsyncConnection, raw: PoolProxiedConnection, statement_seconds: float | None
    ) -> None:
        self.connection = connection
        self.driver: Any = raw.driver_connection
        self.is_pooled = pooler.is_pooled(connection)
        self.idle_since = 0.0
        self._info = raw.info
        self._statement_seconds = statement_seconds

    def begin_statement(self) -> None:
        """Set when SQLite ends what runs on the driver next; servers have a time-out of their own."""
        if self._statement_seconds is not None:
            self._info["late_at"] = time.monotonic() + self._statement_seconds

    def drop(self) -> asyncio.Future[Any] | None:
        """Close it at once without telling the server, which may not answer.

        Returns when the thread of an SQLite connection ends; None for a server's connection.
        """
        connection = self.connection.sync_connection
        assert connection is not None
        ends: asyncio.Future[Any] | None = None
        if not connection.closed:
            if isinstance(self.driver, aiosqlite.Connection):
                ends = self.driver.stop()
            connection.invalidate()
            connection.close()
        return ends


class ConnectionPool:
    """Lends connections, the one used last first, and opens one when none is idle. Those who wait are served in turn.

    It takes the place of SQLAlchemy's pool. That one works through greenlets, which cost a read as much as the
    database does, and lends a connection that comes back to whoever asks next, before those who wait.
    """

    def __init__(self, engine: AsyncEngine, kind: str, limits: StoreLimits, check_schema: CheckSchema | None) -> None:
        self._engine = engine
        self._limits = limits
        self._check_schema = check_schema
        self._is_admitted = check_schema is None
        self.has_our_schema = check_schema is None
        self._statement_seconds = limits.statement_seconds if kind == "sqlite" else None
        self._idle: list[LentConnection] = []
        self._ending: set[asyncio.Future[Any]] = set()
        self._places = asyncio.Semaphore(limits.connections)
        self.in_use = 0
        store_pool_in_use.labels(kind).set_function(lambda: self.in_use)
        store_pool_size.labels(kind).set_function(lambda: self.in_use + self.idle)

    @contextlib.asynccontextmanager
    async def lend(self, wait: float, *, look: bool = False) -> AsyncIterator[LentConnection]:
        """Lend a connection for `attempt_seconds`. Raises Unavailable (STORE_BUSY) after `wait` seconds without one.

        The database must be admitted before: it is looked at for the first work, after a statement that did not fit
        its tables, after a refusal, and where the caller says so. A connection whose state is unknown afterwards is
        closed. If the server is gone, or has become read-only, so are those that are idle: they lead there too.
        """
        await self._get_place(wait)
        self.in_use += 1
        try:
            async with asyncio.timeout(self._limits.attempt_seconds):
                lent = await self._take()
                try:
                    if lent.is_pooled:
                        await pooler.enter(lent.connection)
                    if look or not self._is_admitted:
                        await self._look(lent.connection)
                    yield lent
                    if lent.is_pooled:
                        await pooler.leave(lent.connection)
                except BaseException as error:
                    await self._settle(lent, error)
                    raise
                self._put(lent)
        finally:
            self.in_use -= 1
            self._places.release()

    async def _look(self, connection: AsyncConnection) -> None:
        if self._check_schema is not None:
            self._is_admitted = False
            self.has_our_schema = await self._check_schema(connection)
            self._is_admitted = True

    @property
    def idle(self) -> int:
        """How many connections are open and not in use."""
        return len(self._idle)

    def drop_idle(self) -> None:
        """Close what is idle at once; work goes on with new connections."""
        while self._idle:
            self._drop(self._idle.pop())

    async def close(self) -> None:
        """Close every idle connection, and wait for the threads of SQLite's: they end on this event loop."""
        while self._idle:
            lent = self._idle.pop()
            try:
                async with asyncio.timeout(CLOSING_SECONDS):
                    await lent.connection.close()
            except Exception:  # whatever a driver raises, the connection is of no further use
                self._drop(lent)
        if self._ending:
            await asyncio.wait(self._ending, timeout=self._limits.attempt_seconds)

    def _drop(self, lent: LentConnection) -> None:
        if ends := lent.drop():
            self._ending.add(ends)
            ends.add_done_callback(self._ending.discard)

    async def _get_place(self, wait: float) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(wait):
                await self._places.acquire()
        except TimeoutError:
            raise busy() from None

    async def _take(self) -> LentConnection:
        if self._idle:
            lent = self._idle.pop()
            if time.monotonic() - lent.idle_since <= self._limits.idle_seconds:
                return lent
            # A firewall on the way may have forgotten it, and all others, which have been idle for longer.
            self._drop(lent)
            self.drop_idle()
        connection = await self._engine.connect()
        return LentConnection(connection, await connection.get_raw_connection(), self._statement_seconds)

    def _put(self, lent: LentConnection) -> None:
        lent.idle_since = time.monotonic()
        self._idle.append(lent)

    async def _settle(self, lent: LentConnection, error: BaseException) -> None:
        if not isinstance(error, Exception):  # cancelled amid an answer of the server's
            self._drop(lent)
            return
        fault = fault_of(error)
        if fault is Fault.SCHEMA:
            self._is_admitted = self._check_schema is None
        if fault in (Fault.GONE, Fault.READ_ONLY):
            self._drop(lent)
            self.drop_idle()
        elif await _is_rolled_back(lent):
            self._put(lent)
        else:
            self._drop(lent)


async def _is_rolled_back(lent: LentConnection) -> bool:
    if lent.connection.invalidated or lent.connection.closed:
        return False
    try:
        if lent.is_pooled:
            await pooler.leave(lent.connection, "ROLLBACK")
        else:
            await lent.connection.exec_driver_sql("ROLLBACK")
    except Exception:  # SQLite says that there is nothing to roll back; whatever it is, it is not used again
        return False
    return True
