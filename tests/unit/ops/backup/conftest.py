"""A folder of backups without the stores that they would be of."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from ops.backup.destinations.folder import FolderDestination
from ops.backup.manifest import Manifest, new_backup_id

Make = Callable[[datetime], Manifest]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def destination(root: Path) -> FolderDestination:
    return FolderDestination(root)


@pytest.fixture
def make(destination: FolderDestination) -> Make:
    """Makes a backup that was begun at a time."""

    def make(time: datetime) -> Manifest:
        backup_id, text = new_backup_id(time), time.isoformat()
        manifest = Manifest(backup_id, "0.1.0", "0006", text, text, text, "", (), ())
        with destination.begin(backup_id) as new:
            new.finish(manifest)
        return manifest

    return make
