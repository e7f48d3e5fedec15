"""Reads the address of a destination: a folder, or s3://BUCKET/PREFIX."""

from pathlib import Path

from ops.backup.destinations.destination import Destination
from ops.backup.destinations.folder import FolderDestination
from ops.errors import WrongSettings


def destination_at(address: str) -> Destination:
    """Return the destination at an address. Raises WrongSettings."""
    if not address:
        raise WrongSettings("set TRIVET_BACKUP_TO, or give --to: a folder for the backups")
    if "://" in address:
        raise WrongSettings(f"{address.partition('://')[0]}:// is not a destination of backups: give a folder")
    return FolderDestination(Path(address).absolute())
