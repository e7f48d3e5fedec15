"""What the drivers' errors mean: the one place that knows their numbers."""

import sqlite3
from enum import Enum

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runtime.errors import ServiceError, Unavailable


class Fault(Enum):
    """What to do about an error."""

    TWICE = "something that must be unique is there already"
    ORPHAN = "the row that another refers to is gone"
    RACE = "the store chose this transaction to give way; it may be run again"
    BUSY = "the store takes no more work now"
    GONE = "the store cannot be reached or does not answer"
    BUG = "the statement is wrong"


class TwiceError(Exception):
    """A unique constraint refused a row."""


class OrphanError(Exception):
    """A foreign key refused a row."""


# MySQL's and MariaDB's numbers, PostgreSQL's SQLSTATEs and SQLite's names.
FAULTS: dict[int | str, Fault] = {
    1062: Fault.TWICE,
    "23505": Fault.TWICE,
    "SQLITE_CONSTRAINT_UNIQUE": Fault.TWICE,
    "SQLITE_CONSTRAINT_PRIMARYKEY": Fault.TWICE,
    1452: Fault.ORPHAN,
    "23503": Fault.ORPHAN,
    "SQLITE_CONSTRAINT_FOREIGNKEY": Fault.ORPHAN,
    1213: Fault.RACE,  # deadlock
    1205: Fault.RACE,  # waited too long for a lock
    1020: Fault.RACE,  # the row changed since it was read (MariaDB's snapshot isolation)
    "40001": Fault.RACE,
    "40P01": Fault.RACE,
    "55P03": Fault.RACE,
    1040: Fault.BUSY,  # too many connections
    1203: Fault.BUSY,
    1969: Fault.BUSY,  # MariaDB: max_statement_time
    3024: Fault.BUSY,  # MySQL: max_execution_time
    "57014": Fault.BUSY,  # statement_timeout
    "53300": Fault.BUSY,
    "SQLITE_BUSY": Fault.BUSY,
    "SQLITE_BUSY_SNAPSHOT": Fault.RACE,
    "SQLITE_LOCKED": Fault.BUSY,
    "SQLITE_INTERRUPT": Fault.BUSY,  # our own time-out, see engine.py
    1054: Fault.BUG,
    1064: Fault.BUG,
    1146: Fault.BUG,
    1406: Fault.BUG,
    "SQLITE_ERROR": Fault.BUG,
}
# PostgreSQL's classes of errors that no retry mends: bad data, constraints, syntax and privileges.
POSTGRESQL_BUGS = ("22", "23", "42")
WRONG_CREDENTIALS = {1044, 1045, 1049, 1698, "28P01", "28000", "3D000"}


def code_of(error: BaseException) -> int | str | None:
    """Return the driver's number or word for an error, None if it has none."""
    cause = error.driver_exception if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorname", None)
    # Before the SQLSTATE: one of MySQL's stands for many of its numbers.
    if cause.args and isinstance(cause.args[0], int) and not isinstance(cause, OSError):
        return cause.args[0]
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else None


def fault_of(error: BaseException) -> Fault:
    """Return what an error of SQLAlchemy, a driver or the network means."""
    if isinstance(error, PoolTimeoutError):
        return Fault.BUSY
    code = code_of(error)
    if code in FAULTS:
        return FAULTS[code]
    if isinstance(error, IntegrityError):
        return Fault.BUG
    if isinstance(code, str) and not code.startswith("SQLITE_"):
        return Fault.BUG if code[:2] in POSTGRESQL_BUGS else Fault.GONE
    if isinstance(error, DBAPIError):
        lost = error.connection_invalidated or type(error).__name__ in ("OperationalError", "InterfaceError")
        return Fault.GONE if lost else Fault.BUG
    return Fault.GONE if isinstance(error, (OSError, TimeoutError)) or code is not None else Fault.BUG


def is_wrong_credentials(error: BaseException) -> bool:
    """Whether the server is there and will never let these settings in."""
    return code_of(error) in WRONG_CREDENTIALS


def busy() -> ServiceError:
    return Unavailable("STORE_BUSY", "the database takes no more work now")


def gone() -> ServiceError:
    return Unavailable("STORE_UNAVAILABLE", "the database does not answer")
