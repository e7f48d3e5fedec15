"""Reads the address of a destination: a folder, or s3://BUCKET/PREFIX."""

from pathlib import Path

from ops.backup.destinations.destination import Destination
from ops.backup.destinations.folder import FolderDestination
from ops.errors import WrongSettings

BUCKET = "s3://"


def destination_at(address: str) -> Destination:
    """Return the destination at an address. Raises WrongSettings."""
    if not address:
        raise WrongSettings("set TRIVET_BACKUP_TO, or give --to: a folder for the backups, or s3://BUCKET/PREFIX")
    if address.startswith(BUCKET):
        return _bucket(address.removeprefix(BUCKET))
    if "://" in address:
        raise WrongSettings(
            f"{address.partition('://')[0]}:// is no destination of backups: give a folder, or s3://BUCKET/PREFIX"
        )
    return FolderDestination(Path(address).absolute())


def _bucket(address: str) -> Destination:
    bucket, _, prefix = address.partition("/")
    if not bucket:
        raise WrongSettings("s3:// names no bucket: write s3://BUCKET/PREFIX")
    try:
        from ops.backup.destinations.bucket import BucketDestination
    except ModuleNotFoundError:  # few need it, and it is larger than all of Trivet
        raise WrongSettings("s3:// needs boto3: run `make s3`") from None
    return BucketDestination(bucket, prefix)
