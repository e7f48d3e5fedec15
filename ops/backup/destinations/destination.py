"""Where backups are kept: what a folder and a bucket have in common."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ops.backup.manifest import BACKUP_ID, Manifest
from ops.backup.streams import Sink, Source
from ops.errors import CommandFailed


class NewBackup(Protocol):
    """A backup that is being written. It is not listed before `finish`."""

    def create(self, file: str) -> AbstractContextManager[Sink]:
        """Write one file."""

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest; from now on the backup is listed."""


class Destination(Protocol):
    """A folder or a bucket with whole backups. Every method raises CommandFailed or OSError if it cannot be used."""

    def ids(self) -> Sequence[str]:
        """Return the ids of all whole backups, oldest first."""

    def manifest(self, backup_id: str) -> Manifest:
        """Return a backup's manifest. Raises CommandFailed if it is missing or damaged."""

    def begin(self, backup_id: str) -> AbstractContextManager[NewBackup]:
        """Write a new backup. If the block fails, nothing of it is left."""

    def open(self, backup_id: str, file: str) -> AbstractContextManager[Source]:
        """Read one file of a backup."""

    def delete(self, backup_id: str) -> None:
        """Delete a backup. One that is deleted by half is not listed."""


def chosen(destination: Destination, backup_id: str) -> Manifest:
    """Return the manifest of a backup by its id, or of the newest by `latest`. Raises CommandFailed."""
    if backup_id == "latest":
        ids = destination.ids()
        if not ids:
            raise CommandFailed("there is no backup yet: make one with `trivet backup create`")
        return destination.manifest(ids[-1])
    if not BACKUP_ID.fullmatch(backup_id) or backup_id not in destination.ids():
        raise CommandFailed(f"there is no backup {backup_id}: list all with `trivet backup list`")
    return destination.manifest(backup_id)
