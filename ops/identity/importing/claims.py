"""Unique values that an import has used so far: two rows of the source cannot have the same id, address or token."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

Key = tuple[str, ...]
"""The kind of a unique value, and the value."""
CACHE_KIB = 65_536


class Claims:
    """Stores digests of keys in a temporary file, so that memory does not grow with the number of users.

    A dry run needs the keys because it writes no rows. An import needs them to distinguish a duplicate in the source
    from a row that was in the database before. So both report the same.
    """

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file

    def known(self, keys: Iterable[Key]) -> set[Key]:
        """Return the keys that were added before."""
        find = "SELECT 1 FROM claims WHERE digest = ?"
        return {key for key in keys if self._file.execute(find, [_digest(key)]).fetchone()}

    def add(self, keys: Iterable[Key]) -> None:
        """Add keys. Adding a key twice has no effect."""
        self._file.executemany("INSERT OR IGNORE INTO claims VALUES (?)", ([_digest(key)] for key in keys))


def _digest(key: Key) -> bytes:
    return hashlib.blake2b("\0".join(key).encode(), digest_size=16).digest()


@contextmanager
def opened() -> Iterator[Claims]:
    """Yield empty claims. The file is removed after the block."""
    file = sqlite3.connect("")  # SQLite makes a temporary file and removes it
    try:
        file.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        file.execute("CREATE TABLE claims (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        yield Claims(file)
    finally:
        file.close()
