"""Classifies errors of SQLAlchemy, drivers and the network, by the codes of `codes.py`."""

import sqlite3

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runtime.errors import ServiceError, Unavailable
from services.identity.store.faults.codes import BY_WORDS, FAULTS, POSTGRESQL_BUGS, SQLITE_SCHEMA_WORDS, Fault

MOST_WORDS = 300


class DuplicateError(Exception):
    """A unique constraint rejected a row."""


class OrphanError(Exception):
    """A foreign key rejected a row."""


def code_of(error: BaseException) -> int | str | None:
    """Return the driver's error code, None if the error has none."""
    cause = error.driver_exception if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorname", None)
    # Before the SQLSTATE: one SQLSTATE of MySQL stands for many of its numbers.
    if cause.args and isinstance(cause.args[0], int) and not isinstance(cause, OSError):
        return cause.args[0]
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else None


def fault_of(error: BaseException) -> Fault:
    """Return the kind of an error of SQLAlchemy, a driver or the network."""
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
    if type(error).__name__ in ("OperationalError", "InterfaceError"):  # the driver's, or SQLAlchemy's wrapper
        return Fault.GONE
    if isinstance(error, DBAPIError):
        return Fault.GONE if error.connection_invalidated else Fault.BUG
    return Fault.GONE if isinstance(error, (OSError, TimeoutError)) or code is not None else Fault.BUG


def words_of(error: BaseException) -> str:
    """Return the driver's message and code of an error, on one line.

    Leaves out PostgreSQL's DETAIL, which can contain values of a row.
    """
    cause = error.driver_exception if isinstance(error, DBAPIError) else error
    said = " ".join(str(part) for part in cause.args if part != code_of(error)) or str(cause)
    line = " ".join(said.split())[:MOST_WORDS]
    code = code_of(error)
    return ": ".join(part for part in (type(cause).__name__, line, f"code {code}" if code is not None else "") if part)


def too_new() -> ServiceError:
    return Unavailable(
        "SCHEMA_TOO_NEW", "the database has a newer schema, with which this service cannot do this: upgrade the service"
    )


def busy() -> ServiceError:
    return Unavailable("STORE_BUSY", "the database is overloaded: retry later")


def gone() -> ServiceError:
    return Unavailable("STORE_UNAVAILABLE", "the database does not answer: retry later")
