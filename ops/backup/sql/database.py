"""One relational database for backups: which tables of ours it holds, at which schema, and who else uses it."""

import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, Table, delete, func, inspect, select, text

from ops.errors import CommandFailed
from services.identity import schema
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.engine.versions import NAMES, check_version
from services.identity.store.schema.history import HISTORY
from services.identity.store.schema.schema_check import VERSION_TABLE, current_revision, revisions
from services.identity.users.tables import users

CLOSING_SECONDS = 2.0
PAUSE_SECONDS = 0.05
BATCH = 5_000
"""The most parameters of a statement; SQLite takes 32,766."""


@dataclass(frozen=True, slots=True)
class SqlDatabase:
    """A database as it was found. `tables` are Trivet's, that of the schema's revision last."""

    kind: str
    engine: str
    version: str
    revision: str | None
    tables: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def name(self) -> str:
        return NAMES.get(self.engine, self.engine)


@contextmanager
def engine_of(store: StoreUrl) -> Iterator[Engine]:
    engine = operator_engine(store)
    try:
        yield engine
    finally:
        engine.dispose()


def look_at(store: StoreUrl) -> SqlDatabase:
    """Return what a database is. Raises TooOldError and the driver's errors."""
    if store.kind == "sqlite" and not Path(store.url.database or "").exists():
        return SqlDatabase(store.kind, store.kind, sqlite3.sqlite_version, None, (), ())  # opening it would make it
    with engine_of(store) as engine, engine.connect() as connection:
        check_version(connection)
        return found_by(connection)


def found_by(connection: Connection) -> SqlDatabase:
    dialect = connection.dialect
    kind = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    version = ".".join(str(part) for part in (dialect.server_version_info or ())[-3:] if isinstance(part, int))
    names = set(inspect(connection).get_table_names())
    ours = [table.name for table in schema.metadata.sorted_tables if table.name in names]
    ours += [name for name in (HISTORY.name, VERSION_TABLE.name) if name in names]
    others = tuple(sorted(names - set(ours)))
    return SqlDatabase(dialect.name, kind, version, current_revision(connection), tuple(ours), others)


def check_revision(revision: str | None, what: str) -> str:
    """Return a revision that this code knows. Raises CommandFailed for none and for a later one."""
    head, older = revisions()
    if revision is None:
        raise CommandFailed(f"{what} has no schema of Trivet's: run `trivet db migrate` first")
    if revision != head and revision not in older:
        raise CommandFailed(
            f"the schema of {what} is {revision}, which this version does not know: use the version of Trivet that "
            "migrated it"
        )
    return revision


def refuse_sessions_of_others(store: StoreUrl, query: str) -> None:
    """Raise CommandFailed if a query goes on to count sessions of others. One that was just closed is still counted."""
    deadline = time.monotonic() + CLOSING_SECONDS
    with engine_of(store) as engine, engine.connect() as connection:
        while count := connection.scalar(text(query)):
            if time.monotonic() > deadline:
                raise CommandFailed(
                    f"DATABASE_URL: the database is in use ({count} other sessions): stop Trivet's processes, then "
                    "restore"
                )
            connection.rollback()  # a transaction sees the sessions of its beginning
            time.sleep(PAUSE_SECONDS)


def drop_tables(store: StoreUrl, found: SqlDatabase) -> None:
    """Drop Trivet's tables, that of the schema's revision first: a database without it is refused by every process."""
    with engine_of(store) as engine, engine.begin() as connection:
        if store.kind == "mysql":
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        quote = connection.dialect.identifier_preparer.quote
        cascade = " CASCADE" if store.kind == "postgresql" else ""
        for name in reversed(found.tables):
            connection.execute(text(f"DROP TABLE {quote(name)}{cascade}"))


def broken_references(store: StoreUrl, tables: Sequence[str]) -> list[str]:
    """Return a line for each foreign key that refers to rows which are not there."""
    lines: list[str] = []
    with engine_of(store) as engine, engine.connect() as connection:
        found = MetaData()
        found.reflect(connection, only=list(tables))
        for table in found.sorted_tables:
            lines += _broken(connection, table)
    return lines


def _broken(connection: Connection, table: Table) -> Iterator[str]:
    for column in table.columns:
        for key in column.foreign_keys:
            other = key.column.table.alias("referred")
            joined = table.outerjoin(other, column == other.c[key.column.name])
            missing = other.c[key.column.name].is_(None)
            count = connection.scalar(select(func.count()).select_from(joined).where(column.is_not(None), missing))
            if count:
                yield f"{table.name}.{column.name} refers to {count} rows of {key.column.table.name} that are not there"


def known_users(connection: Connection, user_ids: Collection[str]) -> set[str]:
    """Return which of these users the database has."""
    asked, found = sorted(user_ids), set[str]()
    for first in range(0, len(asked), BATCH):
        found.update(connection.scalars(select(users.c.id).where(users.c.id.in_(asked[first : first + BATCH]))))
    return found


def delete_users(connection: Connection, user_ids: Collection[str]) -> None:
    """Delete users with all that refers to them."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    connection.execute(delete(users).where(users.c.id.in_(sorted(user_ids))))
