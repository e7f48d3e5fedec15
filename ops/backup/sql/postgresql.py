"""PostgreSQL: dumped by pg_dump in its custom format, restored by pg_restore in one transaction.

A session of ours exports its snapshot to pg_dump and makes the checksums of the same rows meanwhile.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, inspect, text

from ops.backup.manifest import Checksum
from ops.backup.sql.client_files import libpq_environment
from ops.backup.sql.database import SqlDatabase, engine_of
from ops.backup.sql.dump import Dump
from ops.backup.sql.server import ServerBackup
from ops.backup.streams import Sink
from ops.backup.tools import find, running
from services.identity.store.engine.store_url import StoreUrl

PACKAGE = "postgresql-client"
OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"
)
SESSION = (
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL datestyle = 'ISO'",
    "SET LOCAL bytea_output = 'hex'",
)


class PostgresqlBackup(ServerBackup):
    """Backs up one database of PostgreSQL."""

    suffix = "pgdump"
    other_sessions = OTHERS

    @contextmanager
    def dump(self, found: SqlDatabase) -> Iterator[Dump]:
        """Dump Trivet's tables. Raises CommandFailed."""
        with (
            _reading(self._store) as connection,
            ThreadPoolExecutor(1) as threads,
            libpq_environment(self._store) as environment,
        ):
            snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
            schema = connection.scalar(text("SELECT current_schema()"))
            tables = [f"--table={_quoted(str(schema))}.{_quoted(name)}" for name in found.tables]
            options = ("--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--no-password")
            command = [find(["pg_dump"], PACKAGE), *options, f"--snapshot={snapshot}", *tables]
            with running(command, environment) as tool:
                made = threads.submit(_checksums, connection, found.tables)
                yield Dump(tool, made.result)

    @contextmanager
    def load(self, found: SqlDatabase) -> Iterator[Sink]:
        """Take a dump in one transaction: a restore that fails leaves nothing."""
        options = ("--no-owner", "--no-privileges", "--no-password", "--exit-on-error", "--single-transaction")
        with libpq_environment(self._store) as environment:
            # The option names the database; how to reach it stands in the service file.
            command = [find(["pg_restore"], PACKAGE), *options, f"--dbname={self._store.url.database}"]
            with running(command, environment, feeds=True) as tool:
                yield tool

    def checksums(self, found: SqlDatabase, tables: Sequence[str]) -> tuple[Checksum, ...]:
        """Return the checksums of tables that are there."""
        with _reading(self._store) as connection:
            return _checksums(connection, [name for name in tables if name in found.tables])


@contextmanager
def _reading(store: StoreUrl) -> Iterator[Connection]:
    with engine_of(store) as engine:
        snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with snapshot.connect() as connection:
            for statement in SESSION:
                connection.exec_driver_sql(statement)
            yield connection


def _checksums(connection: Connection, tables: Sequence[str]) -> tuple[Checksum, ...]:
    return tuple(_checksum(connection, name) for name in tables)


def _checksum(connection: Connection, table: str) -> Checksum:
    key = inspect(connection).get_pk_constraint(table)["constrained_columns"]
    driver: Any = connection.connection.driver_connection
    order = ", ".join(map(_quoted, key))
    made, size = hashlib.sha256(), 0
    with driver.cursor() as cursor:
        with cursor.copy(f"COPY (SELECT * FROM {_quoted(table)} ORDER BY {order}) TO STDOUT") as rows:  # noqa: S608  # quoted names of our tables
            for row in rows:
                made.update(row)
        size = cursor.rowcount
    return Checksum(table, size, made.hexdigest())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
