"""Migrates a database to the tables of `services/identity/schema.py` and back: what `trivet db` does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from services.identity.store.engine import store_url
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.engine.versions import check_version
from services.identity.store.faults.codes import Fault
from services.identity.store.faults.diagnosis import diagnose
from services.identity.store.faults.errors import fault_of, words_of
from services.identity.store.schema import history
from services.identity.store.schema.history import Applied
from services.identity.store.schema.lock import MigrationLockError, OnWait, ignore, lock_whole_transactions, only_one
from services.identity.store.schema.schema_check import current_revision
from services.identity.store.schema.steps import Step, alembic_config, script_directory, steps

__all__ = [
    "MigrationFailedError",
    "MigrationLockError",
    "MigrationStatus",
    "NewerSchemaError",
    "downgrade",
    "last",
    "script_directory",
    "status",
    "upgrade",
]

OF_STATEMENTS = (Fault.BUG, Fault.SCHEMA, Fault.DUPLICATE, Fault.ORPHAN)
"""Faults of a statement, where those of a server pass."""


@dataclass(frozen=True)
class MigrationStatus:
    """The state of a database: its revision (None when empty), ours, and the missing steps, oldest first."""

    current: str | None
    head: str | None
    pending: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    applied: dict[str, Applied] | None = None


class MigrationFailedError(ValueError):
    """The database refused a statement of a migration. The text says which migration, and what is left of it."""


class NewerSchemaError(ValueError):
    """A later release has migrated the database; this one does not know how to work on its schema."""


def upgrade(url: str, to: str | None = None, *, on_wait: OnWait = ignore) -> MigrationStatus:
    """Bring the database to our schema, or to the migration `to`. Return the status from before.

    Two at once do it one after the other. Raises MigrationLockError if another takes over a minute, ValueError for a
    migration that does not exist or lies behind the database, and TooOldError, as the others here do, for an old
    server.
    """
    with migrating(url, on_wait) as (connection, config):
        before = status_of(connection)
        target = _known(to)
        if before.current is not None and target < before.current:
            raise ValueError(f"the database is at {before.current} already: go back with `trivet db rollback`")
        if before.pending and history.is_pushed(connection):
            raise ValueError(
                "the tables of this database were pushed, so migrations do not fit it: run `trivet db push` again, or "
                "`trivet db reset`"
            )
        with _explained(connection, config, before.pending):
            command.upgrade(config, target)
        return before


def downgrade(url: str, steps: int = 1, *, on_wait: OnWait = ignore) -> MigrationStatus:
    """Roll the last `steps` migrations back, and return the status after it. Data of theirs is lost.

    Raises ValueError if there are fewer.
    """
    with migrating(url, on_wait) as (connection, config):
        _taken(connection, steps)
        command.downgrade(config, f"-{steps}")
        return status_of(connection)


def last(url: str, steps: int) -> tuple[str, ...]:
    """Return the names of the last `steps` migrations of the database, newest first. Raises ValueError."""
    with opened(url) as engine, engine.connect() as connection:
        return tuple(f"{each.revision} ({each.name})" for each in _taken(connection, steps))


def status(url: str) -> MigrationStatus:
    """Return the status of the database. Raises NewerSchemaError."""
    with opened(url) as engine, engine.connect() as connection:
        check_version(connection)
        return status_of(connection)


def status_of(connection: Connection) -> MigrationStatus:
    """Return the status of an open database. Raises NewerSchemaError."""
    every = steps()
    current = _current(connection, every)
    pending = tuple(step.revision for step in every if current is None or step.revision > current)
    return MigrationStatus(current, every[-1].revision, pending, every, history.applied(connection))


@contextmanager
def _explained(connection: Connection, config: Config, pending: Sequence[str]) -> Iterator[None]:
    """Raise MigrationFailedError for a statement that the database refuses; a database that is gone raises as it is."""
    try:
        yield
    except DBAPIError as error:
        if diagnose(error) is not None or fault_of(error) not in OF_STATEMENTS:
            raise
        failed = next((each for each in pending if each not in config.attributes["done"]), "")
        if connection.dialect.name == "mysql":
            left = "the server keeps what it had done of it: undo that by hand before the next try"
        else:
            left = "nothing was changed"
        raise MigrationFailedError(f"migration {failed} failed ({words_of(error)}); {left}") from error


def _current(connection: Connection, every: tuple[Step, ...]) -> str | None:
    current = current_revision(connection)
    if current is not None and current not in {step.revision for step in every}:
        raise NewerSchemaError(
            f"the database's schema is {current}, which this version does not know ({every[-1].revision} is its "
            "newest): use the version that migrated the database"
        )
    return current


def _taken(connection: Connection, count: int) -> list[Step]:
    """Return the last applied steps, newest first. Raises ValueError if there are fewer."""
    every = steps()
    current = _current(connection, every)
    found = [step for step in every if current is not None and step.revision <= current]
    if len(found) < count:
        raise ValueError(f"there are fewer than {count} migrations to roll back")
    return found[-count:][::-1]


def _known(to: str | None) -> str:
    every = [step.revision for step in steps()]
    if to is None:
        return every[-1]
    if (found := to.zfill(4)) not in every:
        raise ValueError(f"there is no migration {to}: they are {every[0]} to {every[-1]}")
    return found


@contextmanager
def migrating(url: str, on_wait: OnWait = ignore) -> Iterator[tuple[Connection, Config]]:
    """Open the database for one migrator, with Alembic's configuration for it."""
    with opened(url, on_wait) as engine, engine.begin() as connection, only_one(connection, on_wait):
        check_version(connection)
        history.make(connection)
        yield connection, configured(connection)


def configured(connection: Connection) -> Config:
    """Return Alembic's configuration for a connection. Each step that it runs is noted in the history."""
    config = alembic_config()
    config.attributes["connection"] = connection
    every = {step.revision: step for step in steps()}
    done_steps: list[str] = []

    def note(*, step: Any, **_: object) -> None:
        if step.is_stamp:
            return
        if step.is_upgrade:
            done = every[step.up_revision_id]
            history.record(connection, done.revision, done.name, done.oldest_code)
            done_steps.append(done.revision)
        else:
            history.forget(connection, step.up_revision_id)

    config.attributes["applied"] = note
    config.attributes["done"] = done_steps
    return config


@contextmanager
def opened(url: str, on_wait: OnWait | None = None) -> Iterator[Engine]:
    """Open the database; with `on_wait`, for a migrator."""
    store = store_url.parse(url)
    engine = operator_engine(store)
    if store.kind == "sqlite" and on_wait is not None:
        lock_whole_transactions(engine, on_wait)
    try:
        yield engine
    finally:
        engine.dispose()
