"""Folders for a while: files of credentials, copies and scratch servers. What a killed process has left is removed."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

PREFIX = "trivet-backup-"
LOCK = "lock"
YOUNG_SECONDS = 60.0
"""A folder without its lock may have been made a moment ago."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder that only this user can read, and remove it after the block.

    It holds a password or a copy of all data, so what a killed process has left is removed first.
    """
    _remove_abandoned()
    with (
        TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name,  # mode 0700
        (Path(name) / LOCK).open("wb") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(name)


def _remove_abandoned() -> None:
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        try:
            if folder.stat().st_uid == os.geteuid() and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # another process has removed it


def _is_abandoned(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime > YOUNG_SECONDS
    except BlockingIOError:
        return False
    return True
