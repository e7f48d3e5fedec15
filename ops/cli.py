"""The `trivet` command and its subcommands."""

import os
import sys

import typer
from typer.exceptions import TyperException

from ops.backup.commands import app as backup
from ops.doctor.command import doctor
from ops.errors import WRONG, WrongSettings
from ops.exit_status import status_of, tell
from ops.grants.command import grants
from ops.identity.exporting.command import app as exporting
from ops.identity.importing.command import app as importing
from ops.identity.outbox import app as outbox
from ops.identity.reseal import app as keys
from ops.identity.users import app as users
from ops.keys.keyring import actor
from ops.schema.command import app as database
from ops.status.command import status
from runtime import credentials

app = typer.Typer(
    help="Run Trivet, watch it, migrate and back up its database, manage its users and sign calls.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command()(actor)
app.command()(status)
app.command()(doctor)
app.add_typer(keys, name="keys")
database.command()(grants)
app.add_typer(database, name="db")
app.add_typer(backup, name="backup")
app.add_typer(users, name="users")
app.add_typer(outbox, name="outbox")
app.add_typer(importing, name="import")
app.add_typer(exporting, name="export")


@app.command()
def run() -> None:
    """Run the whole stack (stores, services and gateway) until Ctrl-C."""
    from ops.stack.run import main as become_the_stack

    become_the_stack()


def main() -> None:
    """Run a subcommand. Exit with 2 for wrong usage or settings, 1 for other failures."""
    sys.exit(status_of(_run))


def _run() -> int:
    try:
        credentials.load(os.environ)
    except credentials.UnreadableCredentialsError as error:
        raise WrongSettings(str(error)) from None
    try:
        return app(prog_name="trivet", standalone_mode=False) or 0
    except TyperException as error:
        return _tell_usage(error.format_message())
    except typer.Abort:
        return tell("interrupted", 130)


def _tell_usage(message: str) -> int:
    if message.startswith("Usage:"):  # no subcommand was given: the message is the help text
        print(message, file=sys.stderr)
        return WRONG
    return tell(f"{message} Try `trivet --help`.", WRONG)
