"""What this run has taken from the source so far: two of its rows cannot both have one id, address or token."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

Key = tuple[str, ...]
"""The kind of a unique value, and the value."""
CACHE_KIB = 65_536


class Claims:
    """Keys in a temporary file, so that memory does not grow with the number of users. Only digests are kept.

    A dry run finds in them what it would have written. The import itself needs them to tell a double in the source
    from a row that was here before. So both give the same report.
    """

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file

    def known(self, keys: Iterable[Key]) -> set[Key]:
        """Return those of the keys that were added before."""
        find = "SELECT 1 FROM claims WHERE digest = ?"
        return {key for key in keys if self._file.execute(find, [_digest(key)]).fetchone()}

    def add(self, keys: Iterable[Key]) -> None:
        """Add keys; those that were added before change nothing."""
        self._file.executemany("INSERT OR IGNORE INTO claims VALUES (?)", ([_digest(key)] for key in keys))


def _digest(key: Key) -> bytes:
    return hashlib.blake2b("\0".join(key).encode(), digest_size=16).digest()


@contextmanager
def opened() -> Iterator[Claims]:
    """Yield claims that hold nothing yet."""
    file = sqlite3.connect("")  # SQLite makes a temporary file and removes it
    try:
        file.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        file.execute("CREATE TABLE claims (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        yield Claims(file)
    finally:
        file.close()
