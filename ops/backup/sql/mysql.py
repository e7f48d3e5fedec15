"""MariaDB and MySQL: dumped by mariadb-dump or mysqldump in one transaction, restored by their client.

Two sessions cannot share a snapshot there. So the checksums are made of the rows in the dump itself, and those of a
restored database of the rows in a dump of it.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ops.backup.manifest import Checksum
from ops.backup.sql.client_files import mysql_options
from ops.backup.sql.database import SqlDatabase, engine_of, look_at
from ops.backup.sql.dump import Dump
from ops.backup.sql.server import ServerBackup
from ops.backup.streams import CHUNK, Sink, Source
from ops.backup.tools import find, running, version_of
from ops.errors import CommandFailed
from services.identity.store.engine.store_url import StoreUrl

DUMPERS = {"mariadb": ("mariadb-dump", "mysqldump"), "mysql": ("mysqldump", "mariadb-dump")}
CLIENTS = {"mariadb": ("mariadb", "mysql"), "mysql": ("mysql", "mariadb")}
PACKAGE = "mariadb-client or mysql-client"
OPTIONS = (
    *("--single-transaction", "--quick", "--skip-lock-tables"),
    *("--order-by-primary", "--hex-blob", "--no-tablespaces", "--skip-comments"),
    *("--default-character-set=utf8mb4",),
)
OF_MYSQL = ("--set-gtid-purged=OFF", "--column-statistics=0")
"""Options that MariaDB's tools do not know."""
WITH_POSITION = "--master-data=2"
"""Has MariaDB's tool write the position of the binary log, without a lock, as a comment."""
POSITION = re.compile(rb"CHANGE MASTER TO MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+)")
TUPLE = re.compile(rb"\((?:[^'()]|'(?:[^'\\]|\\.|'')*')*\)", re.DOTALL)
"""A row within the one line that MySQL's tool writes for many. MariaDB's writes a line for each."""


OTHERS = "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
"""Counts the other sessions that this user can see."""


class RowSums:
    """Passes a dump on, and makes the checksums of the rows in it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rest = b""
        self._table = ""
        self.position = ""
        self._hashes: dict[str, tuple[int, Any]] = {}

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        *lines, self._rest = (self._rest + data).split(b"\n")
        rows: list[bytes] = []
        for line in lines:
            if line[:1] == b"(":
                rows.append(line[:-1])  # without the comma or semicolon
            elif line[:1] in b"IC-":
                self._add(rows)
                rows = self._begin(line)
        self._add(rows)
        return data

    def checksums(self) -> tuple[Checksum, ...]:
        return tuple(Checksum(name, count, made.hexdigest()) for name, (count, made) in self._hashes.items())

    def _begin(self, line: bytes) -> list[bytes]:
        """Note which table the rows are of that follow; return those in the line itself."""
        if line.startswith(b"CREATE TABLE `"):
            self._table = line.split(b"`")[1].decode()
            self._hashes[self._table] = (0, hashlib.sha256())
        elif match := POSITION.search(line):
            self.position = f"{match[1].decode()}:{match[2].decode()}"
        elif line.startswith(b"INSERT INTO `"):
            return TUPLE.findall(line, line.find(b" VALUES "))
        return []

    def _add(self, rows: Sequence[bytes]) -> None:
        if rows:
            count, made = self._hashes[self._table]
            made.update(b"\n".join([*rows, b""]))
            self._hashes[self._table] = (count + len(rows), made)


class MysqlBackup(ServerBackup):
    """Backs up one database of MariaDB or MySQL."""

    suffix = "sql"
    other_sessions = OTHERS

    @contextmanager
    def dump(self, found: SqlDatabase) -> Iterator[Dump]:
        """Dump Trivet's tables. Raises CommandFailed, also if a migration ran meanwhile."""
        with _dumping(self._store, found, found.tables, *_position_option(self._store, found)) as sums:

            def checksums() -> tuple[Checksum, ...]:
                if look_at(self._store).revision != found.revision:
                    raise CommandFailed("a migration ran during the backup: run the backup again")
                return sums.checksums()

            yield Dump(sums, checksums, lambda: sums.position)

    @contextmanager
    def load(self, found: SqlDatabase) -> Iterator[Sink]:
        """Take a dump.

        The table of the revision is its last, so every process refuses a database that is half restored.
        """
        program = find(CLIENTS[found.engine], PACKAGE)
        with mysql_options(self._store, is_mariadb=_is_of_mariadb(program)) as options:
            command = [program, f"--defaults-file={options}", "--batch", self._store.url.database or ""]
            with running(command, {}, feeds=True) as tool:
                yield tool

    def checksums(self, found: SqlDatabase, tables: Sequence[str]) -> tuple[Checksum, ...]:
        """Return the checksums of tables that are there."""
        with _dumping(self._store, found, [name for name in tables if name in found.tables]) as sums:
            while sums.read(CHUNK):
                pass
            return sums.checksums()


@contextmanager
def _dumping(store: StoreUrl, found: SqlDatabase, tables: Sequence[str], *more: str) -> Iterator[RowSums]:
    program = find(DUMPERS[found.engine], PACKAGE)
    is_mariadb = _is_of_mariadb(program)
    with mysql_options(store, is_mariadb=is_mariadb) as options:
        command = [program, f"--defaults-file={options}", *OPTIONS, *(more if is_mariadb else OF_MYSQL)]
        with running([*command, store.url.database or "", *tables], {}) as tool:
            yield RowSums(tool)


def _position_option(store: StoreUrl, found: SqlDatabase) -> Sequence[str]:
    """Return the option that notes the binary log's position, if there is such a log and this user can ask for it.

    MySQL's tool would take a lock for it.
    """
    if found.engine != "mariadb":
        return ()
    with engine_of(store) as engine, engine.connect() as connection:
        if not connection.scalar(text("SELECT @@log_bin")):
            return ()
        try:
            connection.execute(text("SHOW MASTER STATUS"))
        except DBAPIError:
            return ()
    return (WITH_POSITION,)


def _is_of_mariadb(program: str) -> bool:
    return "mariadb" in version_of(program).lower()
