"""What an error of SQLAlchemy, a driver or the network means, by the codes of `store_codes.py`."""

import sqlite3

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runtime.errors import ServiceError, Unavailable
from services.identity.store.faults.codes import BY_WORDS, FAULTS, POSTGRESQL_BUGS, SQLITE_SCHEMA_WORDS, Fault

MOST_WORDS = 300


class DuplicateError(Exception):
    """A unique constraint refused a row."""


class OrphanError(Exception):
    """A foreign key refused a row."""


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
    if code == "SQLITE_ERROR" and SQLITE_SCHEMA_WORDS.search(str(error)):
        return Fault.SCHEMA
    if code in FAULTS:
        return FAULTS[code]
    if said := [each.fault for each in BY_WORDS if each.code == code and each.words in words_of(error)]:
        return said[0]
    if isinstance(error, IntegrityError):
        return Fault.BUG
    if isinstance(code, str) and not code.startswith("SQLITE_"):
        return Fault.BUG if code[:2] in POSTGRESQL_BUGS else Fault.GONE
    if type(error).__name__ in ("OperationalError", "InterfaceError"):  # a driver's own, or SQLAlchemy's around it
        return Fault.GONE
    if isinstance(error, DBAPIError):
        return Fault.GONE if error.connection_invalidated else Fault.BUG
    return Fault.GONE if isinstance(error, (OSError, TimeoutError)) or code is not None else Fault.BUG


def words_of(error: BaseException) -> str:
    """Return the driver's own words about an error and its code, on one line.

    PostgreSQL's DETAIL stays out: it can hold a row's values.
    """
    cause = error.driver_exception if isinstance(error, DBAPIError) else error
    said = " ".join(str(part) for part in cause.args if part != code_of(error)) or str(cause)
    line = " ".join(said.split())[:MOST_WORDS]
    code = code_of(error)
    return ": ".join(part for part in (type(cause).__name__, line, f"code {code}" if code is not None else "") if part)


def too_new() -> ServiceError:
    return Unavailable("SCHEMA_TOO_NEW", "the database's schema is newer than this service, which cannot do this on it")


def busy() -> ServiceError:
    return Unavailable("STORE_BUSY", "the database takes no more work now")


def gone() -> ServiceError:
    return Unavailable("STORE_UNAVAILABLE", "the database does not answer")
