"""Guards of commands that delete or make data: refused in production, or confirmed with the database's name."""

import sys
from pathlib import Path

import typer

from ops.errors import WRONG, CommandFailed, WrongSettings
from ops.output import note
from ops.settings import OpsSettings
from ops.settings_reader import read_settings

OPTION = "--yes-delete-everything"


def refuse_in_production(command: str, instead: str) -> None:
    """Raise WrongSettings in production."""
    if read_settings(OpsSettings).is_production:
        raise WrongSettings(f"`trivet db {command}` is refused in production (TRIVET_ENV): {instead}")


def confirm_deletion(address: str, what: str, *, yes: bool) -> None:
    """Have the operator confirm that data is deleted, unless `yes`. In production that is needed, and the name typed.

    Raises CommandFailed.
    """
    from services.identity.store.engine import store_url

    url = store_url.parse(address).url
    where = url.render_as_string()
    if read_settings(OpsSettings).is_production:
        if not yes:
            raise CommandFailed(f"{where} is in production: {OPTION} confirms that {what}", status=WRONG)
        _ask_name(Path(url.database or "").name, where, what)
        return
    if yes:
        return
    note(f"{what}: {where}")
    if not sys.stdin.isatty():
        raise CommandFailed(f"standard input is not a terminal: confirm with {OPTION}", status=WRONG)
    if not typer.confirm("Delete it?", err=True):
        raise CommandFailed("nothing was changed")


def _ask_name(name: str, where: str, what: str) -> None:
    note(f"{what}: {where}, which is in production")
    if sys.stdin.isatty():
        print(f"Type the database's name ({name}) to confirm: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise CommandFailed(f"the database's name was not typed ({name}): nothing was changed", status=WRONG)
