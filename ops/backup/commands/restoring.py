"""`trivet backup verify | restore`."""

import os
from enum import Enum
from typing import Annotated

import typer

from ops.backup.commands.options import BackupId, From, Identity, app, identities_of, key_ids, read_backup_settings
from ops.backup.commands.printing import print_differences
from ops.errors import WrongSettings
from ops.output import note


class Only(Enum):
    """The store that is restored alone."""

    SQL = "sql"
    MONGODB = "mongodb"
    REDIS = "redis"


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

    settings = read_backup_settings()
    warn_of_password("--sql-url", sql_url, "TRIVET_VERIFY_DATABASE_URL")
    warn_of_password("--mongodb-uri", mongodb_uri, "TRIVET_VERIFY_MONGODB_URI")
    destination = destination_at(at or settings.to)
    manifest = chosen(destination, backup)
    password = os.environ.get("TRIVET_VERIFY_PASSWORD", "")
    if sign_in and not password:
        raise WrongSettings("set TRIVET_VERIFY_PASSWORD: the password of the user who signs in")
    keys = identities_of(identity or settings.identity)
    restored = verify_backup(destination, manifest, keys, SignIn(sign_in, password), sql=sql_url, mongodb=mongodb_uri)
    print_differences(restored)
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

    settings = read_backup_settings()
    destination = destination_at(at or settings.to)
    manifest = chosen(destination, backup)
    keys = identities_of(identity or settings.identity)
    stores = (only.value,) if only else STORES
    with of_stack(settings, stopped=True) as addresses, explained(addresses.sql):
        restored = Restoration(
            destination, manifest, addresses, keys, replace=replace, prefix=settings.prefix, only=stores
        ).run()
        if addresses.redis and not begin_epoch(addresses.redis, settings.prefix):
            note("Redis does not answer: the cache service invalidates all of it when it starts")
    if manifest.key_id and manifest.key_id not in key_ids(settings):
        note(
            f"warning: the backup was made under another TRIVET_SECRET (key {manifest.key_id}): put that secret into "
            "TRIVET_SECRETS_OLD, or provider tokens and waiting mails cannot be decrypted"
        )
    print_differences(restored)
    keys_too = f", {restored.keys} keys" if restored.keys else ""
    counts = f"{restored.rows} rows, {restored.documents} documents{keys_too}"
    print(f"restored {manifest.backup_id}: {counts}; nothing differs")
