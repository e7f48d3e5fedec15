"""The lock that lets one process migrate a database at a time, and who holds it."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from services.identity.store.faults.codes import Fault
from services.identity.store.faults.errors import code_of, fault_of

LOCK_NAME = "trivet-migrate"
LOCK_NUMBER = 0x7472_6976_6574  # "trivet"
LOCK_SECONDS = 60
SHORT_SECONDS = 1
"""How long a migrator waits before it names the holder of the lock to the operator."""
RETRY_SECONDS = 0.1
LOCK_NOT_AVAILABLE = "55P03"

OnWait = Callable[[str], None]
"""Takes the description of the holder, once, when the wait begins."""


class MigrationLockError(Exception):
    """Another process has migrated for longer than we wait. The text says which."""


def ignore(holder: str) -> None:
    """Tell no one about a wait."""


@contextmanager
def only_one(connection: Connection, on_wait: OnWait = ignore, *, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the server's lock for migrations. Raises MigrationLockError that names the holder.

    PostgreSQL gives its lock back with the transaction. SQLite's is taken at BEGIN: `lock_whole_transactions`.
    """
    match connection.dialect.name:
        case "postgresql":
            _lock_postgresql(connection, on_wait, seconds)
            yield
        case "mysql":
            _lock_mysql(connection, on_wait, seconds)
            try:
                yield
                # Before the lock goes: who waits for it must read which revision this one has come to.
                connection.execute(text("COMMIT"))
            finally:
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": LOCK_NAME})
        case _:
            yield


def lock_whole_transactions(engine: Engine, on_wait: OnWait = ignore, *, seconds: float = LOCK_SECONDS) -> None:
    """Make SQLite take its write lock at BEGIN, so that a second migrator waits and then reads what the first left."""

    @event.listens_for(engine, "connect")
    def connected(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # sqlite3: no BEGIN of its own

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        holder = f"another process that writes to {engine.url.database}"
        if _begins(connection, min(SHORT_SECONDS, seconds)):
            return
        on_wait(holder)
        if not _begins(connection, seconds):
            raise MigrationLockError(holder)


def _begins(connection: Connection, seconds: float) -> bool:
    connection.exec_driver_sql(f"PRAGMA busy_timeout={int(seconds * 1000)}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except DBAPIError as error:
        if not str(code_of(error)).startswith("SQLITE_BUSY"):
            raise
        return False
    return True


def _lock_postgresql(connection: Connection, on_wait: OnWait, seconds: float) -> None:
    number = {"number": LOCK_NUMBER}
    if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:number)"), number):
        return
    holder = _holder_on_postgresql(connection)
    on_wait(holder)
    connection.execute(text(f"SET LOCAL lock_timeout = {int(seconds * 1000)}"))
    try:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), number)
    except DBAPIError as error:
        if code_of(error) != LOCK_NOT_AVAILABLE:
            raise
        raise MigrationLockError(holder) from None
    # It is for this lock alone: a migration waits for tables as long as the server says.
    connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))


def _holder_on_postgresql(connection: Connection) -> str:
    found = connection.execute(
        text(
            "SELECT a.usename, a.client_addr, a.pid, a.xact_start FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
            "AND (l.classid::bigint << 32) | l.objid::bigint = :number"
        ),
        {"number": LOCK_NUMBER},
    ).first()
    if found is None:
        return "another process"
    since = f", since {found.xact_start:%H:%M:%S}" if found.xact_start else ""
    return f"{found.usename} from {found.client_addr or 'this machine'} (server process {found.pid}{since})"


def _lock_mysql(connection: Connection, on_wait: OnWait, seconds: float) -> None:
    if _take_mysql(connection, min(SHORT_SECONDS, seconds)):
        return
    holder = _holder_on_mysql(connection)
    on_wait(holder)
    if not _take_mysql(connection, seconds):
        raise MigrationLockError(holder)


def _holder_on_mysql(connection: Connection) -> str:
    number = connection.scalar(text("SELECT IS_USED_LOCK(:name)"), {"name": LOCK_NAME})
    asked = text("SELECT user, host FROM information_schema.processlist WHERE id = :number")
    found = connection.execute(asked, {"number": number}).first() if number is not None else None
    return f"{found[0]} from {found[1]} (connection {number})" if found else "another process"


def _take_mysql(connection: Connection, wait: float) -> bool:
    """Wait for MySQL's lock for migrations; return whether it was had in time.

    TiDB's lock is a row, and its wait fails early when several wait: it is asked again.
    """
    ends = time.monotonic() + wait
    while (seconds := ends - time.monotonic()) > 0:
        try:
            asked = {"name": LOCK_NAME, "seconds": math.ceil(seconds)}
            return bool(connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), asked) == 1)
        except DBAPIError as error:
            if fault_of(error) is not Fault.RACE:
                raise
            time.sleep(RETRY_SECONDS)
    return False
