"""What every engine offers to a backup."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ops.backup.manifest import Checksum
from ops.backup.sql.database import SqlDatabase
from ops.backup.streams import Sink, Source


@dataclass(frozen=True, slots=True)
class Dump:
    """A database at one moment: a stream of it, and the checksums of the same rows once the stream was read."""

    source: Source
    checksums: Callable[[], tuple[Checksum, ...]]
    position: Callable[[], str] = str
    """Where the server's binary log stood at that moment; empty if it is not known. Point-in-time recovery needs it."""


class SqlBackup(Protocol):
    """How one database is dumped, restored and compared."""

    @property
    def suffix(self) -> str:
        """The ending of a dump's file name."""

    def dump(self, found: SqlDatabase) -> AbstractContextManager[Dump]:
        """Dump Trivet's tables as they are at one moment, while others write. Raises CommandFailed."""

    def refuse_if_in_use(self) -> None:
        """Raise CommandFailed if another process uses the database."""

    def clear(self, found: SqlDatabase) -> None:
        """Remove Trivet's tables before a restore."""

    def load(self, found: SqlDatabase) -> AbstractContextManager[Sink]:
        """Take a dump into a database that has none of Trivet's tables. Raises CommandFailed."""

    def checksums(self, found: SqlDatabase, tables: Sequence[str]) -> tuple[Checksum, ...]:
        """Return the checksums of a database's tables, made as those of a dump are."""
