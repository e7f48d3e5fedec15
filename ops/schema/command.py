"""`trivet db`: the schema of the stores and the data in them.

SQLAlchemy and Alembic are imported in the functions that use them, so that other subcommands start three times faster.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ops.errors import WRONG, CommandFailed
from ops.identity.database import once_there, url
from ops.output import note
from ops.schema.guard import OPTION, confirm_deletion, refuse_in_production
from ops.schema.release import this_release
from ops.schema.status import show, summary
from ops.settings import OpsSettings
from ops.settings_reader import read_settings

app = typer.Typer(help="Manage the schema of the stores.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="A short description, for example `add seats`.")]
DeleteEverything = Annotated[bool, typer.Option(OPTION, help="Do not ask; in production, type the database's name.")]


@app.command()
def migrate(
    to: Annotated[str | None, typer.Option("--to", metavar="N", help="The last migration to run, by number.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the database answers.")] = False,
) -> None:
    """Run the missing migrations."""
    from services.identity.store.schema.migrate import status, upgrade

    address = url(may_be_new=True)
    before = once_there(lambda: upgrade(address, to, on_wait=_note_wait), address, wait=wait)
    if before.pending:
        now = status(address).current
        print(f"migrated from {before.current or 'an empty database'} to {now}", file=sys.stderr)


@app.command()
def rollback(
    steps: Annotated[int, typer.Argument(min=1, metavar="[N]", help="The number of migrations to roll back.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Roll back the last migrations after a confirmation. The data in the columns and tables they added is lost."""
    from services.identity.store.schema.migrate import downgrade, last

    address = url()
    names = once_there(lambda: last(address, steps), address)
    if not yes:
        _ask(address, names)
    print(summary(once_there(lambda: downgrade(address, steps, on_wait=_note_wait), address)))


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
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every migration: when and by whom it was applied, or that it is missing."""
    from services.identity.store.schema.migrate import status

    address = url()
    found = once_there(lambda: status(address), address)
    show(found, json=json)
    if check and found.pending:
        raise CommandFailed(f"{len(found.pending)} migrations are missing: run `trivet db migrate`")


@app.command()
def generate(name: Name) -> None:
    """Write a migration from the difference between the tables in the code and the database, to be reviewed.

    A database whose tables were pushed is not compared: what the migrations make is.
    """
    from ops.schema.generate import generate

    address = url(may_be_new=True)
    is_there = not address.startswith("sqlite") or Path(address.partition("///")[2]).exists()
    written = once_there(lambda: generate(name, this_release(), address if is_there else None), address)
    if written is None:
        note("the tables in the code are those of the database: nothing was written")
    else:
        print(written)
        note("review it, and run `make check`; then `trivet db migrate`")


@app.command()
def create(name: Name) -> None:
    """Write a migration that does nothing yet, to be filled by hand."""
    from ops.schema.generate import create

    print(create(name, this_release()))


@app.command()
def push() -> None:
    """Bring the tables to the code without a migration. Only in development; data of dropped columns is lost."""
    refuse_in_production("push", "write a migration with `trivet db generate`, and run `trivet db migrate`")
    from ops.schema.push import push

    address = url(may_be_new=True)
    changed = once_there(lambda: push(address), address)
    print("\n".join(changed) or "the tables are those of the code already")


@app.command()
def reset(yes: DeleteEverything = False) -> None:
    """Delete all tables with their data, and make them again."""
    from ops.schema.reset import reset

    address = url(may_be_new=True)
    confirm_deletion(address, "this deletes all users, sessions and other data of Trivet", yes=yes)
    dropped = once_there(lambda: reset(address, on_wait=_note_wait), address)
    print(f"deleted {', '.join(dropped) or 'nothing'}, and migrated", file=sys.stderr)


def _note_wait(holder: str) -> None:
    note(f"waiting for another migration to end, by {holder}")
