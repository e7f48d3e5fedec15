"""A folder of backups without the stores that they would be of."""

from datetime import datetime
from pathlib import Path
from typing import Protocol

import pytest

from ops.backup.destinations.folder import FolderDestination
from ops.backup.manifest import Manifest, Part, new_backup_id


class Make(Protocol):
    """Makes a backup that was begun at a time."""

    def __call__(self, time: datetime, *, stored_bytes: int = 0) -> Manifest: ...


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def destination(root: Path) -> FolderDestination:
    return FolderDestination(root)


@pytest.fixture
def make(destination: FolderDestination) -> Make:

    def make(time: datetime, *, stored_bytes: int = 0) -> Manifest:
        backup_id, text = new_backup_id(time), time.isoformat()
        part = Part("sql", "sql.zst", "sqlite", "3.50", stored_bytes, "", stored_bytes, "", ())
        manifest = Manifest(backup_id, "0.1.0", "0006", text, text, text, "", (), (part,))
        with destination.begin(backup_id) as new:
            new.finish(manifest)
        return manifest

    return make
