"""Backups in a folder: each in a folder of its own, which gets its name when it is whole."""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.backup.manifest import BACKUP_ID, FILE, Manifest
from ops.backup.streams import Sink, Source
from ops.errors import CommandFailed

PARTIAL = ".partial-"
LOCK = ".lock"


class FolderDestination:
    """A folder of backups. Only this user can read what is written into it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def ids(self) -> Sequence[str]:
        if not self._root.exists():
            return []
        return sorted(each.name for each in self._root.iterdir() if BACKUP_ID.fullmatch(each.name))

    def manifest(self, backup_id: str) -> Manifest:
        path = self._root / backup_id / FILE
        try:
            return Manifest.decode(path.read_bytes(), str(path))
        except FileNotFoundError:
            raise CommandFailed(f"{path} is missing: the backup was damaged after it was written") from None

    @contextmanager
    def begin(self, backup_id: str) -> Iterator["NewFolder"]:
        partial = self._root / f"{PARTIAL}{backup_id}"
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._root / LOCK).open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandFailed(f"another backup is being written to {self._root}: wait until it ends") from None
            for abandoned in self._root.glob(f"{PARTIAL}*"):  # a killed backup has left it
                shutil.rmtree(abandoned, ignore_errors=True)
            partial.mkdir(mode=0o700)
            try:
                yield NewFolder(partial, self._root / backup_id)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise CommandFailed(
                        f"{self._root} is full: make room there, or choose another folder; older backups are untouched"
                    ) from None
                raise
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def open(self, backup_id: str, file: str) -> Iterator[Source]:
        path = self._root / backup_id / file
        try:
            with path.open("rb") as source:
                yield source
        except FileNotFoundError:
            raise CommandFailed(f"{path} is missing: the backup was damaged after it was written") from None

    def delete(self, backup_id: str) -> None:
        gone = self._root / f"{PARTIAL}{backup_id}"
        (self._root / backup_id).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


class NewFolder:
    """A backup that is being written into a folder whose name says that it is not whole."""

    def __init__(self, partial: Path, whole: Path) -> None:
        self._partial = partial
        self._whole = whole

    @contextmanager
    def create(self, file: str) -> Iterator[Sink]:
        descriptor = os.open(self._partial / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())

    def finish(self, manifest: Manifest) -> None:
        with self.create(FILE) as sink:
            sink.write(manifest.encode())
        _sync(self._partial)
        self._partial.rename(self._whole)
        _sync(self._whole.parent)


def _sync(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
