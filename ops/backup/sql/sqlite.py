"""SQLite: copied by its backup API, which takes the file as it is at one moment, and restored by a rename.

The copy is made in the folder for temporary files (TMPDIR), which needs as much room as the database.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ops.backup.manifest import Checksum
from ops.backup.sql.database import SqlDatabase
from ops.backup.sql.dump import Dump
from ops.backup.streams import Sink
from ops.backup.temporary import temporary_folder
from ops.errors import CommandFailed
from services.identity.store.engine.store_url import StoreUrl

WAIT_SECONDS = 5.0


class SqliteBackup:
    """Backs up one file of SQLite."""

    suffix = "db"

    def __init__(self, store: StoreUrl) -> None:
        self._path = Path(store.url.database or "")

    @contextmanager
    def dump(self, found: SqlDatabase) -> Iterator[Dump]:
        """Copy the database. Raises CommandFailed."""
        with temporary_folder() as folder:
            copy = folder / "copy.db"
            try:
                with closing(_opened(self._path, "ro")) as source, closing(sqlite3.connect(copy)) as target:
                    source.backup(target)
                    target.execute("PRAGMA journal_mode = DELETE")  # one file, without one beside it
            except sqlite3.Error as error:
                raise CommandFailed(
                    f"{self._path} cannot be copied to {folder} ({error}): check the free disk space, or set TMPDIR"
                ) from None
            with copy.open("rb") as source_file:
                yield Dump(source_file, lambda: _checksums(copy, found.tables))

    def clear(self, found: SqlDatabase) -> None:
        """Do nothing: the old database stays until the restored one takes its place."""

    @contextmanager
    def load(self, found: SqlDatabase) -> Iterator[Sink]:
        """Take a database beside the old one, which it replaces at the end. Raises CommandFailed if that is in use."""
        path = self._path
        fresh = path.with_name(f".{path.name}.restoring")
        try:
            with fresh.open("wb") as file:
                fresh.chmod(0o600)
                yield file
                file.flush()
                os.fsync(file.fileno())
            self.refuse_if_in_use()
            for ending in ("-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)

    def refuse_if_in_use(self) -> None:
        """Raise CommandFailed if another process has the database open."""
        path = self._path
        if not path.exists():
            return
        try:
            with closing(_opened(path, "rw")) as connection:
                # With this mode a lock is had only if no other connection is open, also if it does nothing now.
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("PRAGMA busy_timeout = 0")
                if connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":
                    raise sqlite3.OperationalError("database is locked")
                connection.execute("BEGIN EXCLUSIVE")
                connection.rollback()
        except sqlite3.OperationalError as error:
            raise CommandFailed(f"{path} is in use ({error}): stop Trivet's processes, then restore") from None
        except sqlite3.DatabaseError:
            pass  # what is damaged is not in use

    def checksums(self, found: SqlDatabase, tables: Sequence[str]) -> tuple[Checksum, ...]:
        """Return the checksums of tables that are there."""
        return _checksums(self._path, [name for name in tables if name in found.tables])


def _checksums(path: Path, tables: Sequence[str]) -> tuple[Checksum, ...]:
    with closing(_opened(path, "ro")) as connection:
        if (said := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise CommandFailed(f"{path} is damaged ({said}): restore the last good backup")
        return tuple(_checksum(connection, name) for name in tables)


def _checksum(connection: sqlite3.Connection, table: str) -> Checksum:
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    order = ", ".join(f'"{name}"' for _, name, *_, place in sorted(columns, key=lambda each: each[-1]) if place)
    made, count = hashlib.sha256(), 0
    for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY {order}'):  # noqa: S608  # names of our own tables
        made.update(json.dumps(row, default=bytes.hex).encode() + b"\n")
        count += 1
    return Checksum(table, count, made.hexdigest())


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=WAIT_SECONDS)
