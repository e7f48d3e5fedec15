"""`trivet db`: the schema of identity's database.

SQLAlchemy and Alembic are imported in the functions that use them, so that other subcommands start three times faster.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ops.errors import WRONG, CommandFailed, WrongSettings
from ops.output import note
from ops.settings import OpsSettings
from ops.settings_reader import read_settings
from ops.stack.data_folder import make_folder
from ops.stack.stores import is_given, sqlite_file, sqlite_url

if TYPE_CHECKING:
    from services.identity.store.schema.migrate import MigrationStatus

app = typer.Typer(help="Manage the schema of identity's database.", no_args_is_help=True, rich_markup_mode=None)
T = TypeVar("T")
TRY_EVERY_SECONDS = 0.5


def url(*, may_be_new: bool = False) -> str:
    """Return the URL of the stack's database: the one in the settings, else the SQLite file of the embedded stack.

    Raises WrongSettings if the SQLite file does not exist, unless it `may_be_new`.
    """
    if is_given("sql", os.environ):
        from services.identity.store.engine.settings import StoreSettings

        store = read_settings(StoreSettings)  # these commands do not need the service's keys
        file = Path(store.store.url.database or "") if store.store.kind == "sqlite" else None
        if file is not None and not may_be_new and not file.exists():
            raise WrongSettings(
                f"there is no database {file}: check DATABASE_URL, or create it with `trivet db migrate`"
            )
        return store.address
    settings = read_settings(OpsSettings)
    if settings.is_production:
        raise WrongSettings("set DATABASE_URL: production never runs on embedded stores")
    if may_be_new:
        return sqlite_url(make_folder(settings.data_folder))
    file = sqlite_file(settings.data_folder)
    if not file.exists():
        raise WrongSettings(
            f"there is no database {file}: create it with `trivet run` or `trivet db migrate`, choose another folder "
            "with TRIVET_DATA or TRIVET_HTTP_PORT, or set DATABASE_URL"
        )
    return sqlite_url(settings.data_folder)


@app.command()
def migrate(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the database answers.")] = False,
) -> None:
    """Run the missing migrations."""
    from services.identity.store.schema.migrate import upgrade

    address = url(may_be_new=True)
    before = _once_there(lambda: upgrade(address), address, wait=wait)
    if before.pending:
        print(f"migrated from {before.current or 'an empty database'} to {before.head}", file=sys.stderr)


@app.command()
def rollback(
    steps: Annotated[int, typer.Option(min=1, help="The number of migrations to roll back.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Roll back the last migrations after a confirmation. The data in the columns and tables they added is lost."""
    from services.identity.store.schema.migrate import downgrade, last

    address = url()
    names = _once_there(lambda: last(address, steps), address)
    if not yes:
        _ask(address, names)
    _show(_once_there(lambda: downgrade(address, steps), address))


def _ask(address: str, names: Sequence[str]) -> None:
    """Name the database and the data that would be lost, and ask the operator to confirm. Raises CommandFailed."""
    from services.identity.store.engine import store_url

    where = store_url.parse(address).url.render_as_string()
    if read_settings(OpsSettings).is_production:
        where += ", which is in production"
    note(f"this rolls back {', '.join(names)} on {where}; the data in what they added is lost")
    if not sys.stdin.isatty():
        raise CommandFailed("standard input is not a terminal: confirm with --yes", status=WRONG)
    if not typer.confirm("Roll them back?", err=True):
        raise CommandFailed("nothing was changed")


@app.command()
def status(
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if migrations are missing.")] = False,
) -> None:
    """Print the current migration of the database and the missing ones."""
    from services.identity.store.schema.migrate import status

    address = url()
    found = _once_there(lambda: status(address), address)
    _show(found)
    if check and found.pending:
        raise CommandFailed(f"{len(found.pending)} migrations are missing: run `trivet db migrate`")


@app.command()
def create(name: Annotated[str, typer.Argument(help="A short description, for example `add seats`.")]) -> None:
    """Write a new migration: the difference between the last migration and the tables in the code."""
    from services.identity.store.schema.migrate import create

    print(create(name))


def _show(found: "MigrationStatus") -> None:
    print(f"at        {found.current or 'nothing: the database is empty'}")
    print(f"head      {found.head}")
    print(f"pending   {', '.join(found.pending) or 'none'}")


def _once_there(work: Callable[[], T], address: str, *, wait: bool = False) -> T:
    """Do the work, with `wait` once the database answers. Raises CommandFailed with advice for the operator."""
    from ops.identity.database_failures import explained
    from services.identity.store.schema.migrate import MigrationLockError

    said = ""
    while True:
        try:
            with explained(address):
                return work()
        except MigrationLockError:
            raise CommandFailed(
                "another migration has been under way for over a minute: try again when it ends"
            ) from None
        except ValueError as error:
            raise CommandFailed(str(error)) from None
        except WrongSettings:
            raise
        except CommandFailed as refusal:
            if not wait:
                raise
            if str(refusal) != said:
                said = str(refusal)
                note(f"waiting for the database to answer: {said}")
        time.sleep(TRY_EVERY_SECONDS)
