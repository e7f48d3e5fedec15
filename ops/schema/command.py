"""`trivet db`: the schema of the stores and the data in them.

SQLAlchemy and Alembic are imported in the functions that use them, so that other subcommands start three times faster.
"""

import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import WRONG, CommandFailed, WrongSettings
from ops.identity.database import once_there, url
from ops.output import note
from ops.schema import mongo
from ops.schema.guard import OPTION, confirm_deletion, refuse_in_production
from ops.schema.release import this_release
from ops.schema.status import show, summary_of_mongo, summary_of_sql
from ops.settings import OpsSettings
from ops.settings_reader import read_settings

if TYPE_CHECKING:
    from services.notifications.store.schema.history import MigrationStatus as MongoStatus

app = typer.Typer(help="Manage the schema of the stores.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="A short description, for example `add seats`.")]
SqlOnly = Annotated[bool, typer.Option("--sql-only", help="Leave MongoDB out.")]
DeleteEverything = Annotated[bool, typer.Option(OPTION, help="Do not ask; in production, type the database's name.")]


class Store(Enum):
    """A store with a schema."""

    SQL = "sql"
    MONGODB = "mongodb"


@app.command()
def migrate(
    to: Annotated[str | None, typer.Option("--to", metavar="N", help="The last migration to run, by number.")] = None,
    store: Annotated[Store | None, typer.Option(help="The store to migrate; all without it, or SQL with --to.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the stores answer.")] = False,
) -> None:
    """Run the missing migrations of the database and of MongoDB."""
    if store is not Store.MONGODB:
        _migrate_sql(to, wait=wait)
    if store is Store.MONGODB or (store is None and to is None):
        _migrate_mongo(to, wait=wait, is_asked=store is Store.MONGODB)


def _migrate_sql(to: str | None, *, wait: bool) -> None:
    from services.identity.store.schema.migrate import status, upgrade

    address = url(may_be_new=True)
    before = once_there(lambda: upgrade(address, to, on_wait=_note_wait), address, wait=wait)
    if before.pending:
        now = status(address).current
        print(f"migrated from {before.current or 'an empty database'} to {now}", file=sys.stderr)


def _migrate_mongo(to: str | None, *, wait: bool, is_asked: bool) -> None:
    """Migrate MongoDB if there is one. An embedded one that does not run is migrated when it starts."""
    address = mongo.required_uri() if is_asked else mongo.uri()
    if address is None:
        return
    from services.notifications.store.schema.migrate import upgrade

    number = _number(to)
    before = mongo.with_mongo(
        lambda database: upgrade(database, number, on_wait=_note_wait, on_change=note), address, wait=wait
    )
    if before.pending and (number is None or number > before.current):
        print(f"migrated MongoDB from {before.current or 'an empty database'}", file=sys.stderr)


@app.command()
def rollback(
    steps: Annotated[int, typer.Argument(min=1, metavar="[N]", help="The number of migrations to roll back.")] = 1,
    store: Annotated[Store, typer.Option(help="The store to roll back.")] = Store.SQL,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Roll back the last migrations after a confirmation. The data in the columns and tables they added is lost."""
    if store is Store.MONGODB:
        _roll_mongo_back(steps)
        return
    from services.identity.store.schema.migrate import downgrade, last

    address = url()
    names = once_there(lambda: last(address, steps), address)
    if not yes:
        _ask(address, names)
    print(summary_of_sql(once_there(lambda: downgrade(address, steps, on_wait=_note_wait), address)))


def _roll_mongo_back(steps: int) -> None:
    """Roll MongoDB's last migrations back: indexes and validators, so no document is lost, and nothing is asked."""
    from services.notifications.store.schema.migrate import downgrade

    found = mongo.with_mongo(
        lambda database: downgrade(database, steps, on_wait=_note_wait, on_change=note), mongo.required_uri()
    )
    print(summary_of_mongo(found))


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
    of_mongo = _mongo_status()
    show(found, of_mongo, json=json)
    pending = len(found.pending) + (len(of_mongo.pending) if of_mongo else 0)
    if check and pending:
        raise CommandFailed(f"{pending} migrations are missing: run `trivet db migrate`")


def _mongo_status() -> "MongoStatus | None":
    if (address := mongo.uri()) is None:
        note(f"MongoDB is not shown: {mongo.ABSENT}")
        return None
    from services.notifications.store.schema.history import status
    from services.notifications.store.schema.steps import steps

    found = mongo.with_mongo(lambda database: status(database, steps()), address)
    if found.is_newer:
        raise CommandFailed(
            f"MongoDB's schema is {found.current}, which this version does not know ({found.head} is its newest): use "
            "the version that migrated the database"
        )
    return found


@app.command()
def generate(name: Name) -> None:
    """Write migrations from the difference between the code and the stores, to be reviewed.

    The tables in code are compared with the database, and the collections with what the migrations make. A database
    whose tables were pushed is not compared.
    """
    from ops.schema import mongo_generate
    from ops.schema.generate import generate

    address = url(may_be_new=True)
    is_there = not address.startswith("sqlite") or Path(address.partition("///")[2]).exists()
    of_sql = once_there(lambda: generate(name, this_release(), address if is_there else None), address)
    written = [path for path in (of_sql, mongo_generate.generate(name, this_release())) if path is not None]
    if not written:
        note("the tables and collections in the code are those of the stores: nothing was written")
        return
    print("\n".join(map(str, written)))
    note("review it, and run `make check`; then `trivet db migrate`")


@app.command()
def create(name: Name, store: Annotated[Store, typer.Option(help="The store to migrate.")] = Store.SQL) -> None:
    """Write a migration that does nothing yet, to be filled by hand."""
    from ops.schema import generate, mongo_generate

    is_mongo = store is Store.MONGODB
    print(mongo_generate.write(name, this_release(), ()) if is_mongo else generate.create(name, this_release()))


@app.command()
def stats(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the rows and bytes of tables, collections and Redis, their growth, and how often indexes are used."""
    from ops.schema.stats.command import show

    show(json=json)


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
    """Delete all tables and collections with their data, and make them again."""
    from ops.schema import reset
    from ops.seed.command import forget_caches

    address, of_mongo = url(may_be_new=True), mongo.uri()
    confirm_deletion(address, "this deletes all users, sessions, notifications and other data of Trivet", yes=yes)
    dropped = once_there(lambda: reset.reset(address, on_wait=_note_wait), address)
    if of_mongo is None:
        note(f"MongoDB is left as it is: {mongo.ABSENT}")
    else:
        dropped += mongo.with_mongo(lambda database: reset.reset_mongo(database, on_wait=_note_wait), of_mongo)
    forget_caches()
    print(f"deleted {', '.join(dropped) or 'nothing'}, and migrated", file=sys.stderr)


@app.command()
def seed(
    users: Annotated[int, typer.Option(min=10, max=1_000_000, help="How many users.")] = 1_000,
    number: Annotated[int, typer.Option("--seed", min=0, max=999_999_999, help="The same seed, the same users.")] = 1,
    sql_only: SqlOnly = False,
) -> None:
    """Make users with sessions, accounts, subscriptions, notifications and logs. Only in development."""
    refuse_in_production("seed", "its users have a known password")
    from ops.seed.command import seed

    seed(users, number, sql_only=sql_only)


@app.command()
def clear(yes: DeleteEverything = False, sql_only: SqlOnly = False) -> None:
    """Delete the users that tests and seeds made: those with addresses that are reserved for examples and tests."""
    from ops.seed.command import clear

    clear(yes=yes, sql_only=sql_only)


def _number(to: str | None) -> int | None:
    if to is not None and not to.isdigit():
        raise WrongSettings(f"--to takes the number of a migration, and {to} is none")
    return None if to is None else int(to)


def _note_wait(holder: str) -> None:
    note(f"waiting for another migration to end, by {holder}")
