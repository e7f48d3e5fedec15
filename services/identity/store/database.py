"""Access to the database: reads, transactions with retries, and follow-ups after a commit."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from prometheus_client import Counter
from sqlalchemy import Executable, Row, text
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime import failpoints
from runtime.background.tasks import Tasks, TooManyTasksError
from runtime.errors import ServiceError
from runtime.telemetry.tracing import store_call
from services.identity.store.compiled_reads import StaticSelect, Values
from services.identity.store.compiled_writes import InsertResult, StaticInsert
from services.identity.store.connection_pool import CheckSchema, ConnectionPool, LentConnection
from services.identity.store.driver import Driver
from services.identity.store.engine.engine import StoreLimits, open_engine
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.faults.codes import NOT_COMMITTED, Fault
from services.identity.store.faults.errors import DuplicateError, OrphanError, busy, fault_of, gone, too_new
from services.identity.store.faults.failure_log import FailureLog
from services.identity.store.statement_times import StatementTimes, verb_of
from trivet.client.deadline import remaining

T = TypeVar("T")
PING = text("SELECT 1")
ATTEMPTS = 5
BACK_OFF_SECONDS = 0.01
FOLLOW_UP_SECONDS = 0.2

retried = Counter("trivet_store_retries_total", "Statements and transactions that were retried, by cause.", ["cause"])
late = Counter("trivet_follow_ups_late_total", "Calls that returned before all follow-ups of their commit had ended.")

FollowUp = Callable[[], Coroutine[Any, Any, None]]


class Transaction:
    """One attempt of a transaction."""

    def __init__(self, lent: LentConnection, driver: Driver, times: StatementTimes, operation: str) -> None:
        self._lent = lent
        self._driver = driver
        self._times = times
        self._operation = operation
        self.follow_ups: list[FollowUp] = []

    async def execute(self, statement: Executable, values: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Run a statement. Raises DuplicateError and OrphanError if a constraint rejects a row."""
        began = time.perf_counter()
        try:
            return await self._lent.connection.execute(statement, values)
        except Exception as error:  # `Database` handles the others
            _raise_constraint_error(fault_of(error))
            raise
        finally:
            self._times.note(self._operation, verb_of(statement), began, statement, values)

    async def write(self, insert: StaticInsert, values: Mapping[str, Any]) -> InsertResult:
        """Run a static INSERT. Raises as `execute` does."""
        try:
            return await self._driver.write(self._lent, self._operation, insert, values)
        except Exception as error:  # `Database` handles the others
            _raise_constraint_error(fault_of(error))
            raise

    def then(self, follow_up: FollowUp) -> None:
        """Run `follow_up` after the commit, also if the outcome of the commit is unknown."""
        self.follow_ups.append(follow_up)


Work = Callable[[Transaction], Awaitable[T]]


class Database:
    """A database. Its work ends by its own time-outs; a cancel of the caller does not stop it.

    Every method raises Unavailable if the database is unreachable (STORE_UNAVAILABLE) or overloaded (STORE_BUSY).
    `check_schema` runs before the first work, at each ping, and after a statement that does not fit the tables. It
    raises while the schema is older than ours. A statement that a newer schema breaks raises Unavailable too
    (SCHEMA_TOO_NEW). `detached=False` runs the work in the caller's coroutine, which a test needs to see the effects
    of a cancel.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        kind: str,
        limits: StoreLimits,
        *,
        check_schema: CheckSchema | None = None,
        detached: bool = True,
    ) -> None:
        self.engine = engine
        self.kind = kind
        self.pool = ConnectionPool(engine, kind, limits, check_schema)
        self.tasks = Tasks("database")
        self._times = StatementTimes(
            kind, engine.dialect, self.pool, self.tasks, slow_seconds=limits.slow_seconds, wait=limits.pool_seconds
        )
        self._driver = Driver(kind, engine.dialect, self._times)
        self._limits = limits
        self._detached = detached
        self._failures = FailureLog()
        self._begin = "BEGIN IMMEDIATE" if kind == "sqlite" else "BEGIN"
        # SQLite has one writer, and its own lock is unfair, so writers queue here. The queue moves, so a call waits in
        # it for as long as its caller waits.
        self._turn = asyncio.Semaphore(1) if kind == "sqlite" else None
        self._turn_seconds = limits.turn_seconds if kind == "sqlite" else limits.pool_seconds

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        store: StoreUrl,
        limits: StoreLimits | None = None,
        *,
        check_schema: CheckSchema | None = None,
        detached: bool = True,
    ) -> AsyncIterator["Database"]:
        """Open a database, which can still be unreachable. At the end, wait for the work in progress."""
        limits = limits or StoreLimits()
        database = cls(open_engine(store, limits), store.kind, limits, check_schema=check_schema, detached=detached)
        try:
            yield database
        finally:
            await database.tasks.drain(limits.attempt_seconds + FOLLOW_UP_SECONDS)
            await database.pool.close()

    async def rows(self, operation: str, statement: Executable) -> Sequence[Row[Any]]:
        """Return the rows of a SELECT."""
        return await self._in_background(self._retrying(operation, lambda: self._read(operation, statement)))

    async def row(self, operation: str, statement: Executable) -> Row[Any] | None:
        """Return the first row of a SELECT, None if there is none."""
        rows = await self.rows(operation, statement)
        return rows[0] if rows else None

    async def first(self, select: StaticSelect, **values: str) -> Values | None:
        """Return the first row of a static SELECT with these parameter values, None if there is none."""
        rows = await self._in_background(self._retrying(select.operation, lambda: self._fetch(select, values)))
        return rows[0] if rows else None

    async def transaction(self, operation: str, work: Work[T]) -> T:
        """Run `work` in a transaction. After a deadlock or a lost race, `work` runs again from its start.

        The follow-ups that `work` passes to `then` have FOLLOW_UP_SECONDS before this method returns. A slower one
        continues in the background.
        """
        wait = remaining(self._turn_seconds)  # here, because a background task has no deadline
        return await self._in_background(self._retrying(operation, lambda: self._write(operation, work, wait)))

    async def ping(self) -> None:
        """Raise unless the database answers and its schema is usable."""
        await self._in_background(self._retrying("ping", self._ping))

    async def _ping(self) -> None:
        async with self.pool.lend(self._limits.pool_seconds, check=True) as lent:
            await lent.connection.execute(PING)

    async def _in_background(self, work: Coroutine[Any, Any, T]) -> T:
        if not self._detached:
            return await work
        try:
            return await self.tasks.apart(work)
        except TooManyTasksError:
            raise busy() from None

    async def _retrying(self, operation: str, attempt: Callable[[], Awaitable[T]]) -> T:
        for again in range(ATTEMPTS):
            try:
                with store_call(self.kind, operation):
                    return await attempt()
            except (ServiceError, DuplicateError, OrphanError):
                raise
            except Exception as error:  # of drivers and the network: `fault_of` classifies them
                self._failures.note(error)
                fault = self._retryable(error, again)
                retried.labels(fault.name).inc()
            await asyncio.sleep(random.uniform(0.5, 1.5) * BACK_OFF_SECONDS * 2**again)  # noqa: S311  # jitter
        raise busy()

    def _retryable(self, error: Exception, again: int) -> Fault:
        """Return the fault if a retry can help. Otherwise raise the error for the caller."""
        fault = fault_of(error)
        if fault is Fault.SCHEMA and again > 0:
            if self.pool.has_our_schema:
                raise error
            raise too_new() from error
        if fault is Fault.BUG:
            raise error
        if fault is Fault.BUSY:
            raise busy() from error
        # The connection can be an old one, to a server that was restarted or is no longer the primary: retry once,
        # unless the time is over.
        if fault in (Fault.GONE, Fault.READ_ONLY) and (again > 0 or isinstance(error, TimeoutError)):
            raise gone() from error
        return fault

    async def _read(self, operation: str, statement: Executable) -> Sequence[Row[Any]]:
        async with self.pool.lend(self._limits.pool_seconds) as lent:
            began = time.perf_counter()
            try:
                return (await lent.connection.execute(statement)).all()
            finally:
                self._times.note(operation, "select", began, statement, None)

    async def _fetch(self, select: StaticSelect, values: Mapping[str, str]) -> Sequence[Values]:
        async with self.pool.lend(self._limits.pool_seconds) as lent:
            return await self._driver.fetch(lent, select, values)

    async def _write(self, operation: str, work: Work[T], wait: float) -> T:
        transaction: Transaction | None = None
        is_committing = False
        try:
            async with self._my_turn(wait), self.pool.lend(wait) as lent:
                transaction = Transaction(lent, self._driver, self._times, operation)
                if not lent.is_pooled:
                    await self._driver.run(lent, self._begin)
                result = await work(transaction)
                is_committing = True
                await self._driver.commit(lent, operation)
        except Exception as error:  # of any kind: what matters is whether the commit was sent
            if transaction is None or not is_committing:
                raise
            if (fault := fault_of(error)) in NOT_COMMITTED:
                _raise_constraint_error(fault)
                raise
            self._failures.note(error)
            await self._follow(transaction)
            raise gone() from error
        await failpoints.reach("identity.after_commit")
        await self._follow(transaction)
        return result

    async def _follow(self, transaction: Transaction) -> None:
        if not transaction.follow_ups:
            return
        if not self._detached:
            for follow_up in transaction.follow_ups:
                await follow_up()
            return
        tasks = set()
        with contextlib.suppress(TooManyTasksError):  # the transaction is committed, and the relay does the rest
            for follow_up in transaction.follow_ups:
                tasks.add(self.tasks.start(follow_up()))
        pending = (await asyncio.wait(tasks, timeout=FOLLOW_UP_SECONDS))[1] if tasks else set()
        if pending or len(tasks) < len(transaction.follow_ups):
            late.inc()

    @asynccontextmanager
    async def _my_turn(self, wait: float) -> AsyncIterator[None]:
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(wait):
                await self._turn.acquire()
        except TimeoutError:
            raise busy() from None
        try:
            yield
        finally:
            self._turn.release()


def _raise_constraint_error(fault: Fault) -> None:
    """Raise the error of a violated constraint, which a statement or the COMMIT reports."""
    if fault is Fault.DUPLICATE:
        raise DuplicateError from None
    if fault is Fault.ORPHAN:
        raise OrphanError from None
