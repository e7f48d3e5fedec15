"""Deletes all tables and collections of ours and makes them again."""

from alembic import command
from sqlalchemy import Connection, MetaData, inspect

from ops.schema.difference import OWN, migrated_tables
from services.identity.schema import metadata
from services.identity.store.schema import history
from services.identity.store.schema.lock import OnWait
from services.identity.store.schema.migrate import configured, migrating
from services.notifications.domains import COLLECTIONS
from services.notifications.store.schema import history as mongo_history
from services.notifications.store.schema.changes import Schema
from services.notifications.store.schema.history import Database
from services.notifications.store.schema.lock import only_one
from services.notifications.store.schema.migrate import upgrade
from services.notifications.store.schema.steps import steps


def reset(url: str, *, on_wait: OnWait) -> list[str]:
    """Drop our tables and run all migrations; return the names of the dropped ones. Tables of others stay.

    It also resets a database whose schema is newer than this version. Tables that this version does not know stay.
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


async def reset_mongo(database: Database, *, on_wait: OnWait) -> list[str]:
    """Drop our collections and run all migrations; return the names of the dropped ones. Those of others stay."""
    ours = {each.name for each in COLLECTIONS} | set(Schema.after(steps()).indexes) | {mongo_history.NAME}
    async with only_one(database, on_wait):
        names = sorted(ours & set(await database.list_collection_names()))
        for name in names:
            await database.drop_collection(name)
    await upgrade(database, on_wait=on_wait)
    return [name for name in names if name != mongo_history.NAME]
