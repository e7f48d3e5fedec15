"""`trivet db grants`: the users of the stores, each with the least rights that its process needs."""

import os
import re
import sys
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import WrongSettings
from ops.output import note
from ops.stack.stores import is_given

if TYPE_CHECKING:
    from ops.grants.grants import Choices, Grants
    from ops.grants.settings import GrantsSettings

PREFIX = re.compile(r"[a-z][a-z0-9_]{0,15}")
HOST = re.compile(r"[A-Za-z0-9.:%_/-]{1,60}")
NOTHING = (
    "no store is given: set DATABASE_URL, MONGODB_URI or REDIS_URL to the address of an administrator. Embedded stores "
    "and SQLite have no users: only the operator's own user should be able to read their folder"
)


class Store(Enum):
    """A store with users."""

    SQL = "sql"
    MONGODB = "mongodb"
    REDIS = "redis"


def grants(
    apply: Annotated[bool, typer.Option("--apply", help="Run the statements instead of printing them.")] = False,
    store: Annotated[Store | None, typer.Option(help="One store; all that have an address without it.")] = None,
    prefix: Annotated[
        str, typer.Option(metavar="NAME", help="What the users' names begin with: NAME_identity, NAME_migrator, ...")
    ] = "trivet",
    host: Annotated[
        str, typer.Option(metavar="HOST", help="From where MariaDB and MySQL admit the users, `%` for everywhere.")
    ] = "%",
    new_passwords: Annotated[
        bool, typer.Option("--new-passwords", help="Give users that are there already new passwords, too.")
    ] = False,
) -> None:
    """Print or run the statements that make the users of the stores, each with the least rights that it needs.

    DATABASE_URL, MONGODB_URI and REDIS_URL are the addresses of administrators. A user gets the password in
    TRIVET_GRANTS_IDENTITY_PASSWORD, _MIGRATOR_, _BACKUP_, _NOTIFICATIONS_ or _CACHE_PASSWORD, or a new one, which is
    shown once. Run it again after `trivet db migrate`: it can be repeated.
    """
    choices = _choices(prefix, host, renews=new_passwords)
    for found in _grants(_settings(), choices, store, applies=apply):
        _show(found, applies=apply)


def _settings() -> "GrantsSettings":
    from ops.grants.settings import GrantsSettings
    from ops.settings_reader import read_settings

    return read_settings(GrantsSettings)


def _choices(prefix: str, host: str, *, renews: bool) -> "Choices":
    from ops.grants.grants import Choices

    if not PREFIX.fullmatch(prefix):
        raise WrongSettings("--prefix takes up to 16 small letters, digits and underscores, a letter first")
    if not HOST.fullmatch(host):
        raise WrongSettings("--host takes a host name, an address or a pattern of them, for example 10.0.%")
    return Choices(prefix, host, _settings().passwords, renews)


def _grants(
    settings: "GrantsSettings", choices: "Choices", store: Store | None, *, applies: bool
) -> "Iterator[Grants]":
    """Yield the statements for each store that is given, after the ones before have been run."""
    chosen = [each for each in Store if store in (None, each) and is_given(each.value, os.environ)]
    if not chosen:
        raise WrongSettings(NOTHING)
    for each in chosen:
        match each:
            case Store.SQL:
                yield from _of_sql(choices)
            case Store.MONGODB:
                from ops.grants.mongodb import mongo_grants

                yield mongo_grants(settings.mongodb_uri.get_secret_value(), choices)
            case Store.REDIS:
                from ops.grants.redis import redis_grants

                yield redis_grants(settings.redis_address, settings.prefix, choices, applies=applies)


def _of_sql(choices: "Choices") -> "Iterator[Grants]":
    from ops.grants.sql import sql_grants
    from ops.identity.database import url
    from ops.identity.database_failures import explained
    from services.identity.store.engine import store_url

    address = url(may_be_new=True)
    found = store_url.parse(address)
    if found.kind == "sqlite":
        note("SQLite has no users: only the user of the identity service should be able to read the file's folder")
        return
    with explained(address):
        yield sql_grants(found, choices)


def _show(found: "Grants", *, applies: bool) -> None:
    """Run or print the statements, and show what the processes connect with."""
    notes = list(found.notes)
    if applies:
        notes += found.apply()
    else:
        print("\n".join(f"{statement};" if found.store != "redis" else statement for statement in found.statements))
    # What is printed can be piped into the store's client, so addresses do not stand between the statements.
    where = sys.stdout if applies else sys.stderr
    for role, address in found.addresses.items():
        print(f"# {role}\n{address}", file=where)
    for line in notes:
        note(line)
