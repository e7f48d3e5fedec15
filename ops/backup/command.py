"""`trivet backup`: makes, lists, verifies and restores backups."""

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.errors import CommandFailed, WrongSettings
from ops.output import as_json, note, table

if TYPE_CHECKING:
    from ops.backup.manifest import Manifest
    from ops.backup.restoration import Restored
    from ops.backup.settings import BackupSettings

app = typer.Typer(
    help="Back up all stores, and restore them.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


class Only(Enum):
    """The store that is restored alone."""

    SQL = "sql"
    MONGODB = "mongodb"


To = Annotated[str, typer.Option("--to", metavar="FOLDER", help="Where the backups are. Defaults to TRIVET_BACKUP_TO.")]
From = Annotated[
    str, typer.Option("--from", metavar="FOLDER", help="Where the backups are. Defaults to TRIVET_BACKUP_TO.")
]
BackupId = Annotated[str, typer.Argument(metavar="[BACKUP]", help="The id of a backup, or `latest`.")]
Identity = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        metavar="FILE",
        help="The private key that decrypts the backup, as `age-keygen -o FILE` writes it. Defaults to "
        "TRIVET_BACKUP_IDENTITY.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


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
    json: Json = False,
) -> None:
    """Back up the relational database and MongoDB while they are in use, and print the new backup.

    Redis is left out, because it holds a cache. A backup that fails or is killed is never listed.
    """
    from ops.backup.addresses import of_stack
    from ops.backup.creation import create as create_backup
    from ops.backup.destinations.addresses import destination_at
    from ops.identity.database_failures import explained

    settings = _settings()
    destination = destination_at(to or settings.to)
    with of_stack(settings) as addresses, explained(addresses.sql):
        made = create_backup(destination, addresses, recipient or settings.recipients, key_id=_key_ids(settings)[0])
    _show(made, json=json)


@app.command("list")
def list_backups(at: From = "", json: Json = False) -> None:
    """List all whole backups, oldest first."""
    from ops.backup.destinations.addresses import destination_at

    destination = destination_at(at or _settings().to)
    found = [_readable(destination.manifest, each) for each in destination.ids()]
    if json:
        as_json([_summary(each) for each in found if not isinstance(each, str)])
        return
    rows = [_row(each) for each in found if not isinstance(each, str)]
    table(["backup", "schema", "rows", "documents", "bytes", "encrypted"], rows)
    for line in found:
        if isinstance(line, str):
            note(line)


@app.command()
def show(backup: BackupId = "latest", at: From = "", json: Json = False) -> None:
    """Show the manifest of a backup: versions, counts and checksums."""
    from ops.backup.destinations.addresses import destination_at
    from ops.backup.destinations.destination import chosen

    _show(chosen(destination_at(at or _settings().to), backup), json=json)


@app.command()
def verify(
    backup: BackupId = "latest",
    at: From = "",
    identity: Identity = None,
    sql_url: Annotated[
        str,
        typer.Option(
            "--sql-url",
            envvar="TRIVET_VERIFY_DATABASE_URL",
            metavar="URL",
            help="An empty database to restore into. Without it a server of the same engine is started here.",
        ),
    ] = "",
    mongodb_uri: Annotated[
        str,
        typer.Option(
            "--mongodb-uri",
            envvar="TRIVET_VERIFY_MONGODB_URI",
            metavar="URI",
            help="An empty MongoDB to restore into. Without it a server is started here.",
        ),
    ] = "",
    sign_in: Annotated[
        str,
        typer.Option(
            "--sign-in",
            metavar="EMAIL",
            help="Sign in as this user, with the password in TRIVET_VERIFY_PASSWORD. Without it a new user signs in.",
        ),
    ] = "",
) -> None:
    """Restore a backup into scratch servers, compare every count and checksum, and sign in there."""
    from ops.backup.destinations.addresses import destination_at
    from ops.backup.destinations.destination import chosen
    from ops.backup.verification import SignIn
    from ops.backup.verification import verify as verify_backup
    from ops.output import warn_of_password

    settings = _settings()
    warn_of_password("--sql-url", sql_url, "TRIVET_VERIFY_DATABASE_URL")
    warn_of_password("--mongodb-uri", mongodb_uri, "TRIVET_VERIFY_MONGODB_URI")
    destination = destination_at(at or settings.to)
    manifest = chosen(destination, backup)
    password = os.environ.get("TRIVET_VERIFY_PASSWORD", "")
    if sign_in and not password:
        raise WrongSettings("set TRIVET_VERIFY_PASSWORD: the password of the user who signs in")
    keys = _identities(identity or settings.identity)
    restored = verify_backup(destination, manifest, keys, SignIn(sign_in, password), sql=sql_url, mongodb=mongodb_uri)
    _tell(restored)
    print(f"verified {manifest.backup_id}: it was restored into scratch servers, nothing differs, and a user signed in")


@app.command()
def restore(
    backup: BackupId = "latest",
    at: From = "",
    identity: Identity = None,
    only: Annotated[Only | None, typer.Option("--only", help="Restore this store alone.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete what the target holds. Without it the target must be empty.")
    ] = False,
) -> None:
    """Restore a backup into the stores of DATABASE_URL and MONGODB_URI, or of the embedded stack, and compare.

    Stop Trivet's processes before. Every byte of the backup is checked before anything is changed. Sessions stay
    valid, and every cache is invalidated.
    """
    from ops.backup.addresses import of_stack
    from ops.backup.caches import begin_epoch
    from ops.backup.destinations.addresses import destination_at
    from ops.backup.destinations.destination import chosen
    from ops.backup.restoration import STORES, Restoration
    from ops.identity.database_failures import explained

    settings = _settings()
    destination = destination_at(at or settings.to)
    manifest = chosen(destination, backup)
    keys = _identities(identity or settings.identity)
    stores = (only.value,) if only else STORES
    with of_stack(settings, stopped=True) as addresses, explained(addresses.sql):
        restored = Restoration(destination, manifest, addresses, keys, replace=replace, only=stores).run()
        if addresses.redis and not begin_epoch(addresses.redis, settings.prefix):
            note("Redis does not answer: the cache service invalidates all of it when it starts")
    if manifest.key_id and manifest.key_id not in _key_ids(settings):
        note(
            f"warning: the backup was made under another TRIVET_SECRET (key {manifest.key_id}): put that secret into "
            "TRIVET_SECRETS_OLD, or provider tokens and waiting mails cannot be decrypted"
        )
    _tell(restored)
    print(f"restored {manifest.backup_id}: {restored.rows} rows and {restored.documents} documents; nothing differs")


def _settings() -> "BackupSettings":
    from ops.backup.settings import BackupSettings
    from ops.settings_reader import read_settings

    return read_settings(BackupSettings)


def _key_ids(settings: "BackupSettings") -> list[str]:
    """Return the names of the keys that identity's secrets at rest are sealed with, the one in use first."""
    from ops.keys.pair_keys import seal_keys
    from ops.stack.data_folder import secret
    from runtime.sealing import key_id

    keys = seal_keys([secret(settings), *settings.former_secrets], "identity")
    return [key_id(bytes.fromhex(key)) for key in keys.split(",")]


def _identities(path: Path | None) -> list[Any] | None:
    if path is None:
        return None
    from ops.backup.streams import identities_in

    try:
        return identities_in(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise WrongSettings(f"{path} holds no identity of age") from None


def _readable(read: "Callable[[str], Manifest]", backup_id: str) -> "Manifest | str":
    try:
        return read(backup_id)
    except CommandFailed as error:
        return f"warning: {error}"


def _count(manifest: "Manifest", store: str) -> int:
    return sum(each.count for part in manifest.of(store) for each in part.checksums)


def _summary(manifest: "Manifest") -> dict[str, Any]:
    return {
        "backup": manifest.backup_id,
        "schema": manifest.schema,
        "rows": _count(manifest, "sql"),
        "documents": _count(manifest, "mongodb"),
        "bytes": manifest.stored_bytes,
        "encrypted": bool(manifest.recipients),
    }


def _row(manifest: "Manifest") -> list[str]:
    *texts, encrypted = _summary(manifest).values()
    return [*map(str, texts), "yes" if encrypted else "no"]


def _show(manifest: "Manifest", *, json: bool) -> None:
    if json:
        print(manifest.encode().decode(), end="")
        return
    print(f"backup      {manifest.backup_id}")
    print(f"trivet      {manifest.version}, schema {manifest.schema}")
    print(f"taken       {manifest.sql_snapshot_at} (SQL), complete {manifest.ended_at}")
    print(f"key         {manifest.key_id or 'unknown'}")
    print(f"encrypted   {'for ' + ', '.join(manifest.recipients) if manifest.recipients else 'no'}")
    rows = [
        [part.store, f"{part.engine} {part.engine_version}", each.name, str(each.count), each.sha256[:16]]
        for part in manifest.parts
        for each in part.checksums
    ]
    table(["store", "engine", "name", "count", "sha256"], rows)
    for line in manifest.notes:
        note(line)


def _tell(restored: "Restored") -> None:
    """Say where the stores differed at the time of the backup, and what the restore did about it."""
    lines = {
        "documents of users whom the database does not know yet were left out": restored.of_unknown_users,
        "audit events of such users were restored without their personal part": restored.emptied,
        "documents were left out because another one has their unique key": restored.of_one_key,
        "users who were deleted during the backup were deleted again": restored.deleted_again,
    }
    for line, count in lines.items():
        if count:
            note(f"{count} {line}")
