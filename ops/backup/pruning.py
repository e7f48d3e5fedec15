"""Deletes backups that need not be kept."""

from ops.backup.destinations.destination import Destination
from ops.backup.retention import Rules, kept
from ops.errors import CommandFailed


def prune(destination: Destination, rules: Rules, *, dry_run: bool = False) -> list[str]:
    """Delete the backups that the rules do not keep, oldest first; return their ids.

    Only backups with a good manifest count. A damaged one keeps no other from being kept, and is left to the operator.
    """
    good = [each for each in destination.ids() if _is_good(destination, each)]
    wanted = kept(good, rules)
    gone = [each for each in good if each not in wanted]
    for backup_id in gone:
        if not dry_run:
            destination.delete(backup_id)
    return gone


def _is_good(destination: Destination, backup_id: str) -> bool:
    try:
        destination.manifest(backup_id)
    except CommandFailed:
        return False
    return True
