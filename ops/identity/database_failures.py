"""Explains database failures to the operator in one line: what is wrong, what to do, and the driver's message."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from ops.errors import CommandFailed, WrongSettings
from runtime.errors import ServiceError
from services.identity.store.engine import store_url
from services.identity.store.engine.engine import StoreLimits, open_engine
from services.identity.store.engine.versions import TooOldError
from services.identity.store.faults.codes import Fault
from services.identity.store.faults.diagnosis import diagnose
from services.identity.store.faults.errors import code_of, fault_of, words_of

OURS = "DATABASE_URL"


@contextmanager
def explained(address: str, setting: str = OURS, *, drivers: bool = True, more: str = "") -> Iterator[None]:
    """Turn the errors of the service's code and of drivers into CommandFailed or WrongSettings.

    `setting` is the setting that names the database. Without `drivers` only the service's errors are handled, because
    the drivers' errors come from another database. `more` is added at the end.
    """
    log = logging.getLogger("services.identity.store.faults.failure_log")
    log.disabled, before = True, log.disabled  # the error raised here says the same
    try:
        yield
    except ServiceError as error:
        refusal = failure(error.__cause__, address, setting) if error.__cause__ is not None else None
        raise _with(refusal or CommandFailed(error.message), more) from None
    except (DBAPIError, OSError, TooOldError) as error:
        if not drivers or (refusal := failure(error, address, setting)) is None:
            raise
        raise _with(refusal, more) from None
    finally:
        log.disabled = before


def failure(error: BaseException, address: str, setting: str = OURS) -> CommandFailed | None:
    """Return the explanation of a driver's error, None if it is unknown. WrongSettings is permanent."""
    setting = _named(address, setting)
    if isinstance(error, TooOldError):
        return WrongSettings(f"{setting}: {error}")
    diagnosis = diagnose(error)
    if diagnosis is None and _hides_its_code(error):
        error = _asked_again(address) or error
        diagnosis = diagnose(error)
    if diagnosis is not None:
        kind = CommandFailed if diagnosis.is_transient else WrongSettings
        return kind(f"{setting}: {diagnosis.problem}: {diagnosis.remedy} ({words_of(error)})")
    if fault_of(error) in (Fault.GONE, Fault.BUSY, Fault.READ_ONLY):
        return CommandFailed(
            f"{setting}: the database fails or does not answer ({words_of(error)}): check that it is running"
        )
    return None


def _named(address: str, setting: str) -> str:
    """Return the name that the operator knows: the path of an SQLite file, else the setting."""
    store = store_url.parse(address)
    return store.url.database or setting if store.kind == "sqlite" and setting == OURS else setting


def _hides_its_code(error: BaseException) -> bool:
    """Whether libpq refused a connection: it passes on the server's words, in its language, without the SQLSTATE."""
    return (
        isinstance(error, DBAPIError)
        and type(error.orig).__module__.startswith("psycopg")
        and code_of(error) is None
        and fault_of(error) is Fault.GONE
    )


def _asked_again(address: str) -> BaseException | None:
    """Return how the service's own driver fails to connect, which tells the SQLSTATE; None if it does not fail."""

    async def connect() -> BaseException | None:
        engine = open_engine(store_url.parse(address), StoreLimits(connections=1))
        try:
            async with engine.connect():
                return None
        except Exception as error:  # any error: it is explained
            return error
        finally:
            await engine.dispose()

    # A thread of its own, because an export already runs an event loop.
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, connect()).result()


def _with(refusal: CommandFailed, more: str) -> CommandFailed:
    return type(refusal)(f"{refusal}{more}") if more else refusal
