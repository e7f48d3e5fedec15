"""`trivet backup create | list | show`."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from ops.backup.commands.options import BackupId, From, Json, To, app, key_ids, read_backup_settings
from ops.backup.commands.printing import print_list, print_manifest
from ops.errors import CommandFailed

if TYPE_CHECKING:
    from ops.backup.destinations.destination import Destination
    from ops.backup.manifest import Manifest
    from ops.backup.settings import BackupSettings


class Redis(Enum):
    """How Redis is backed up, as `ops.backup.creation` has it, which takes long to import."""

    NONE = "none"
    LOGICAL = "logical"
    RDB = "rdb"


@app.command()
def create(
    to: To = "",
    recipient: Annotated[
        list[str] | None,
        typer.Option(
            "--recipient",
            metavar="KEY",
            help="A public key of age or SSH to encrypt for; can be given several times. Defaults to "
            "TRIVET_BACKUP_RECIPIENTS.",
        ),
    ] = None,
    redis: Annotated[
        Redis,
        typer.Option(
            "--redis",
            help="Back up Redis too: `logical` is restored into any Redis or Valkey, `rdb` is the engine's own format.",
        ),
    ] = Redis.NONE,
    json: Json = False,
) -> None:
    """Back up the relational database and MongoDB while they are in use, and print the new backup.

    Redis is left out unless it is asked for, because it holds a cache. A backup that fails or is killed is never
    listed.
    """
    from ops.backup.destinations.addresses import destination_at

    settings = read_backup_settings()
    made = created(settings, destination_at(to or settings.to), recipient or (), redis=redis.value)
    print_manifest(made, json=json)


@app.command("list")
def list_backups(
    at: From = "",
    max_age: Annotated[
        float | None, typer.Option("--max-age", min=0, metavar="HOURS", help="Exit with 1 if the newest is older.")
    ] = None,
    json: Json = False,
) -> None:
    """List all whole backups, oldest first."""
    from ops.backup.destinations.addresses import destination_at

    destination = destination_at(at or read_backup_settings().to)
    found = [_readable(destination.manifest, each) for each in destination.ids()]
    print_list(found, json=json)
    if max_age is not None:
        _refuse_older([each for each in found if not isinstance(each, str)], max_age)


@app.command()
def show(backup: BackupId = "latest", at: From = "", json: Json = False) -> None:
    """Show the manifest of a backup: versions, counts and checksums."""
    from ops.backup.destinations.addresses import destination_at
    from ops.backup.destinations.destination import chosen

    print_manifest(chosen(destination_at(at or read_backup_settings().to), backup), json=json)


def created(
    settings: "BackupSettings", destination: "Destination", recipients: "Sequence[str]" = (), *, redis: str = "none"
) -> "Manifest":
    """Make a backup of the stack's stores."""
    from ops.backup.addresses import of_stack
    from ops.backup.creation import RedisDump
    from ops.backup.creation import create as create_backup
    from ops.identity.database_failures import explained

    with of_stack(settings) as addresses, explained(addresses.sql):
        return create_backup(
            destination,
            addresses,
            recipients or settings.recipients,
            redis=RedisDump(redis),
            prefix=settings.prefix,
            key_id=key_ids(settings)[0],
        )


def _readable(read: "Callable[[str], Manifest]", backup_id: str) -> "Manifest | str":
    try:
        return read(backup_id)
    except CommandFailed as error:
        return f"warning: {error}"


def _refuse_older(found: "Sequence[Manifest]", hours: float) -> None:
    """Raise CommandFailed if the newest backup is older than this number of hours, or if there is none."""
    from ops.backup.manifest import time_of
    from runtime.clock import utc_now

    if not found:
        raise CommandFailed("there is no backup yet: make one with `trivet backup create`")
    age = (utc_now() - time_of(found[-1].backup_id)).total_seconds() / 3600
    if age > hours:
        raise CommandFailed(f"the newest backup is {age:.1f} hours old: see why `trivet backup create` fails")
