"""The options that several commands of `trivet backup` have, and what they need of the settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.errors import WrongSettings

if TYPE_CHECKING:
    from ops.backup.settings import BackupSettings

app = typer.Typer(
    help="Back up all stores, and restore them.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
To = Annotated[
    str, typer.Option("--to", metavar="PLACE", help="A folder or s3://BUCKET/PREFIX. Defaults to TRIVET_BACKUP_TO.")
]
From = Annotated[
    str, typer.Option("--from", metavar="PLACE", help="A folder or s3://BUCKET/PREFIX. Defaults to TRIVET_BACKUP_TO.")
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


def read_backup_settings() -> "BackupSettings":
    from ops.backup.settings import BackupSettings
    from ops.settings_reader import read_settings

    return read_settings(BackupSettings)


def key_ids(settings: "BackupSettings") -> list[str]:
    """Return the names of the keys that identity's secrets at rest are sealed with, the one in use first."""
    from ops.keys.pair_keys import seal_keys
    from ops.stack.data_folder import secret
    from runtime.sealing import key_id

    keys = seal_keys([secret(settings), *settings.former_secrets], "identity")
    return [key_id(bytes.fromhex(key)) for key in keys.split(",")]


def identities_of(path: Path | None) -> list[Any] | None:
    if path is None:
        return None
    from ops.backup.streams import identities_in

    try:
        return identities_in(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise WrongSettings(f"{path} holds no identity of age") from None
