"""Deletes all tables of ours and makes them again."""

from alembic import command
from sqlalchemy import Connection, MetaData, inspect

from ops.schema.difference import OWN, migrated_tables
from services.identity.schema import metadata
from services.identity.store.schema import history
from services.identity.store.schema.lock import OnWait
from services.identity.store.schema.migrate import configured, migrating


def reset(url: str, *, on_wait: OnWait) -> list[str]:
    """Drop our tables and run all migrations; return the names of the dropped ones. Tables of others stay.

    It also resets a database whose schema is newer than this version, as far as it knows the tables.
    """
    with migrating(url, on_wait) as (connection, _):
        dropped = _drop(connection)
        history.make(connection)
        command.upgrade(configured(connection), "head")
        return dropped


def _drop(connection: Connection) -> list[str]:
    ours = migrated_tables() | set(metadata.tables) | OWN
    found = MetaData()
    names = ours & set(inspect(connection).get_table_names())
    found.reflect(connection, only=lambda name, _: name in names, resolve_fks=False)
    found.drop_all(connection)
    return sorted(names - OWN)
