"""Migrates a database to the tables of `services/identity/schema.py` and back: what `trivet db` does."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from services.identity.store.engine import store_url
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.engine.versions import check_version
from services.identity.store.faults.codes import Fault
from services.identity.store.faults.errors import fault_of
from services.identity.store.schema.schema_check import MIGRATIONS, current_revision

LOCK_NAME = "trivet-migrate"
LOCK_NUMBER = 0x7472_6976_6574  # "trivet"
LOCK_SECONDS = 60
RETRY_SECONDS = 0.1


@dataclass(frozen=True)
class MigrationStatus:
    """Where a database stands: its revision (None when empty), ours, and the steps between, oldest first."""

    current: str | None
    head: str | None
    pending: tuple[str, ...]


class MigrationLockError(Exception):
    """Another migration has been under way for longer than we wait."""


def upgrade(url: str) -> MigrationStatus:
    """Bring the database to our schema, and say where it stood before. Two at once do it one after the other.

    Raises MigrationLockError if another takes over a minute, and TooOldError, as the others here do, for an old server.
    """
    with _migrating(url) as (connection, config):
        before = _status(connection)
        command.upgrade(config, "head")
        return before


def downgrade(url: str, steps: int = 1) -> MigrationStatus:
    """Take the last `steps` migrations back, and say where the database stands. Data of theirs is lost.

    Raises ValueError if there are not so many.
    """
    with _migrating(url) as (connection, config):
        try:
            command.downgrade(config, f"-{steps}")
        except CommandError as error:
            raise ValueError(f"there are no {steps} migrations to take back") from error
        return _status(connection)


def last(url: str, steps: int) -> tuple[str, ...]:
    """Return the names of the last `steps` migrations of the database, newest first. Raises ValueError."""
    with _engine(url) as engine, engine.connect() as connection:
        current = current_revision(connection)
    try:
        taken = list(script_directory().iterate_revisions(current or "base", "base"))
    except CommandError:
        raise ValueError(
            f"the database stands at {current}, which this version does not know: use the version that migrated it"
        ) from None
    if len(taken) < steps:
        raise ValueError(f"there are no {steps} migrations to take back")
    return tuple(f"{each.revision} ({each.doc})" for each in taken[:steps])


def status(url: str) -> MigrationStatus:
    """Say where the database stands."""
    with _engine(url) as engine, engine.connect() as connection:
        check_version(connection)
        return _status(connection)


def create(name: str) -> Path:
    """Write a migration from the last revision to the tables in code; return its path. Review it before use."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/empty.db"
        upgrade(url)
        with _migrating(url) as (_, config):
            script = command.revision(config, message=name, autogenerate=True)
    if script is None or isinstance(script, list):
        raise RuntimeError("alembic wrote no single migration")
    return Path(script.path)


def _status(connection: Connection) -> MigrationStatus:
    script = script_directory()
    current = current_revision(connection)
    steps = tuple(step.revision for step in script.iterate_revisions("head", current or "base"))
    return MigrationStatus(current, script.get_current_head(), steps[::-1])


def script_directory() -> ScriptDirectory:
    """Return our migrations as Alembic knows them."""
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


@contextmanager
def _migrating(url: str) -> Iterator[tuple[Connection, Config]]:
    with _engine(url) as engine, engine.begin() as connection, _only_one(connection):
        check_version(connection)
        config = _config()
        config.attributes["connection"] = connection
        yield connection, config


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    store = store_url.parse(url)
    engine = operator_engine(store)
    if store.kind == "sqlite":
        _lock_whole_transactions(engine)
    try:
        yield engine
    finally:
        engine.dispose()


def _lock_whole_transactions(engine: Engine) -> None:
    """Make SQLite take its write lock at BEGIN, so that a second migrator waits and then reads what the first left."""

    @event.listens_for(engine, "connect")
    def connected(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # sqlite3: no BEGIN of its own
        connection.execute(f"PRAGMA busy_timeout={LOCK_SECONDS * 1000}")  # type: ignore[attr-defined]  # as above

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _only_one(connection: Connection) -> Iterator[None]:
    """Hold the server's lock for migrations; PostgreSQL gives its one back with the transaction."""
    match connection.dialect.name:
        case "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK_NUMBER})
            yield
        case "mysql":
            if not _take_lock(connection):
                raise MigrationLockError
            try:
                yield
                # Before the lock goes: who waits for it must read which revision this one has come to.
                connection.execute(text("COMMIT"))
            finally:
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": LOCK_NAME})
        case _:
            yield


def _take_lock(connection: Connection) -> bool:
    """Wait for MySQL's lock for migrations; return whether it was had in time.

    TiDB's lock is a row, and its wait fails early when several wait: it is asked again.
    """
    ends = time.monotonic() + LOCK_SECONDS
    while (seconds := ends - time.monotonic()) > 0:
        try:
            asked = {"name": LOCK_NAME, "seconds": math.ceil(seconds)}
            return bool(connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), asked) == 1)
        except DBAPIError as error:
            if fault_of(error) is not Fault.RACE:
                raise
            time.sleep(RETRY_SECONDS)
    return False
