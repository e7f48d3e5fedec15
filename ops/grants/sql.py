"""Users of identity's database: one for the service, one for migrations, one for backups."""

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ops.backup.sql.database import SqlDatabase, engine_of, found_by
from ops.errors import CommandFailed
from ops.grants import mysql, postgresql
from ops.grants.grants import AS_IT_IS, Choices, Grants, Tables, User
from services.identity.schema import metadata
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.engine.versions import check_version
from services.identity.store.faults.errors import words_of
from services.identity.store.schema.history import HISTORY
from services.identity.store.schema.schema_check import VERSION_TABLE

ROLES = ("identity", "migrator", "backup")
READ_ONLY = (VERSION_TABLE.name, HISTORY.name)
"""Tables that identity only reads: the migrations' runner keeps them."""
KINDS = {"postgresql": postgresql, "mysql": mysql}
NO_TABLES = (
    "the tables are not there yet: run `trivet db migrate` as {migrator}, then this command again, which gives "
    "{identity} its rights on them"
)
LOST = ". Users that were made already have passwords that no one has seen: repeat it with --new-passwords"
MISSING = "tables are missing ({names}): run `trivet db migrate`, then this command again"


def sql_grants(store: StoreUrl, choices: Choices) -> Grants:
    """Return the statements for a database, as an administrator who is in its address sees it.

    Raises TooOldError and the driver's errors.
    """
    kind = KINDS[store.kind]
    with engine_of(store) as engine, engine.connect() as connection:
        check_version(connection)
        found = found_by(connection)
        existing = kind.existing(connection, [choices.name_of(role) for role in ROLES], choices)
        users = {role: choices.user(role, existing) for role in ROLES}
        tables = _tables(found)
        statements, notes = kind.statements(connection, store, found, tables, users, choices)
    if not tables.every:
        notes = (*notes, NO_TABLES.format(**{role: user.name for role, user in users.items()}))
    elif missing := sorted(set(metadata.tables) - set(tables.every)):
        notes = (*notes, MISSING.format(names=", ".join(missing)))
    addresses = {role: _address(store, user) for role, user in users.items()}
    shown = ("BEGIN", *statements, "COMMIT") if store.kind == "postgresql" else tuple(statements)
    return Grants("sql", shown, lambda: apply(store, statements), addresses, notes)


def _tables(found: SqlDatabase) -> Tables:
    read = tuple(name for name in found.tables if name in READ_ONLY)
    return Tables(tuple(name for name in found.tables if name not in READ_ONLY), read)


def _address(store: StoreUrl, user: User) -> str:
    """Return the setting of a process: the administrator's address with another user."""
    url = store.url.set(username=user.name, password=user.shown)
    return f"DATABASE_URL={url.render_as_string(hide_password=False)}"


def apply(store: StoreUrl, statements: Sequence[str]) -> tuple[str, ...]:
    """Run the statements: on PostgreSQL in one transaction. Raises CommandFailed, without the statement's text."""
    with engine_of(store) as engine, engine.begin() as connection:
        _run(connection, statements, lost="" if store.kind == "postgresql" else LOST)
    return ()


def _run(connection: Connection, statements: Sequence[str], *, lost: str) -> None:
    for place, statement in enumerate(statements, 1):
        try:
            connection.exec_driver_sql(statement, execution_options=AS_IT_IS)
        except DBAPIError as error:
            raise CommandFailed(
                f"DATABASE_URL: statement {place} of {len(statements)} was refused ({words_of(error)}): give the "
                f"address of an administrator, or have one run what `trivet db grants` prints{lost}"
            ) from None
