"""The connection pool: a fixed number of connections, each lent to one task at a time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiosqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from runtime.telemetry.tracing import store_pool_in_use, store_pool_limit, store_pool_size, store_pool_wait
from services.identity.store.engine import pooler
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.faults.codes import Fault
from services.identity.store.faults.errors import busy, fault_of

CLOSING_SECONDS = 1.0

CheckSchema = Callable[[AsyncConnection], Awaitable[bool]]
"""Checks a database. Raises if the service cannot use it. Returns whether its schema is exactly the expected one."""


class LentConnection:
    """A lent connection: SQLAlchemy's, and the driver's connection below it."""

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
        """Start the time limit of the next statement on SQLite. Servers have a time limit of their own."""
        if self._statement_seconds is not None:
            self._info["late_at"] = time.monotonic() + self._statement_seconds

    def drop(self) -> asyncio.Future[Any] | None:
        """Close the connection at once, without a message to the server, which can hang.

        Returns a future of the end of an SQLite connection's thread; None for a server's connection.
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
    """Lends the most recently used idle connection, or opens a new one. Waiting tasks are served in their order.

    It replaces SQLAlchemy's pool, which uses greenlets: they cost a read as much as the database does. SQLAlchemy's
    pool is also unfair: a new task can get a returned connection before the tasks that wait.
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
        self._free = asyncio.Semaphore(limits.connections)
        self.in_use = self.waiting = 0
        self._wait_times = store_pool_wait.of(kind)
        store_pool_limit.labels(kind).set(limits.connections)
        store_pool_in_use.labels(kind).set_function(lambda: self.in_use)
        store_pool_size.labels(kind).set_function(lambda: self.in_use + self.idle)

    @contextlib.asynccontextmanager
    async def lend(self, wait: float, *, check: bool = False) -> AsyncIterator[LentConnection]:
        """Lend a connection for at most `attempt_seconds`.

        Raises Unavailable (STORE_BUSY) if none is free within `wait` seconds. Checks the database before the first use,
        after a statement that did not fit the tables, after a failed check, and if `check` is set. A connection in an
        unknown state is closed afterwards. If the server is unreachable or read-only, idle connections are closed too,
        because they lead to the same server.
        """
        await self._wait_for_free(wait)
        self.in_use += 1
        try:
            async with asyncio.timeout(self._limits.attempt_seconds):
                lent = await self._take()
                try:
                    if lent.is_pooled:
                        await pooler.enter(lent.connection)
                    if check or not self._is_admitted:
                        await self._check(lent.connection)
                    yield lent
                    if lent.is_pooled:
                        await pooler.leave(lent.connection)
                except BaseException as error:  # a cancelled statement can leave the connection in use
                    await self._give_back_failed(lent, error)
                    raise
                self._give_back(lent)
        finally:
            self.in_use -= 1
            self._free.release()

    async def _check(self, connection: AsyncConnection) -> None:
        if self._check_schema is not None:
            self._is_admitted = False
            self.has_our_schema = await self._check_schema(connection)
            self._is_admitted = True

    @property
    def idle(self) -> int:
        """The number of idle connections."""
        return len(self._idle)

    def drop_idle(self) -> None:
        """Close all idle connections at once. Later work opens new ones."""
        while self._idle:
            self._drop(self._idle.pop())

    async def close(self) -> None:
        """Close every idle connection, and wait for the threads of SQLite's connections."""
        while self._idle:
            lent = self._idle.pop()
            try:
                async with asyncio.timeout(CLOSING_SECONDS):
                    await lent.connection.close()
            except Exception:  # of any driver: the connection is not used again
                self._drop(lent)
        if self._ending:
            await asyncio.wait(self._ending, timeout=self._limits.attempt_seconds)

    def _drop(self, lent: LentConnection) -> None:
        if ends := lent.drop():
            self._ending.add(ends)
            ends.add_done_callback(self._ending.discard)

    async def _wait_for_free(self, wait: float) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        began = time.monotonic()
        self.waiting += 1
        try:
            async with asyncio.timeout(wait):
                await self._free.acquire()
        except TimeoutError:
            raise busy() from None
        finally:
            self.waiting -= 1
            self._wait_times.observe(time.monotonic() - began)

    async def _take(self) -> LentConnection:
        if self._idle:
            lent = self._idle.pop()
            if time.monotonic() - lent.idle_since <= self._limits.idle_seconds:
                return lent
            # A firewall can have dropped it, and all others too, which were idle for longer.
            self._drop(lent)
            self.drop_idle()
        connection = await self._engine.connect()
        return LentConnection(connection, await connection.get_raw_connection(), self._statement_seconds)

    def _give_back(self, lent: LentConnection) -> None:
        lent.idle_since = time.monotonic()
        self._idle.append(lent)

    async def _give_back_failed(self, lent: LentConnection, error: BaseException) -> None:
        if not isinstance(error, Exception):  # cancelled while the server answers
            self._drop(lent)
            return
        fault = fault_of(error)
        if fault is Fault.SCHEMA:
            self._is_admitted = self._check_schema is None
        if fault in (Fault.GONE, Fault.READ_ONLY):
            self._drop(lent)
            self.drop_idle()
        elif await _is_rolled_back(lent):
            self._give_back(lent)
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
    except Exception:  # also of SQLite, if there is nothing to roll back: the connection is not used again
        return False
    return True
