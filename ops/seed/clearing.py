"""Deletes the users that tests and seeds made: those whose addresses belong to no one."""

from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select

from ops.seed.loading import loading
from services.identity.schema import users, verifications
from services.identity.users.tables import tables_of_users
from services.notifications.domains import COLLECTIONS
from services.notifications.store.schema.history import Database

RESERVED = ("%.example", "%.test", "%.invalid", "%.localhost", "%@example.com", "%@example.net", "%@example.org")
"""Addresses that RFC 2606 and RFC 6761 reserve: no mail reaches anyone there."""
BATCH = 500

Advance = Callable[[int], None]


def count(url: str) -> int:
    """Return how many users there are to delete."""
    with loading(url) as (engine, _), engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(users).where(_is_reserved(users.c.email))) or 0


async def clear(url: str, database: Database | None, advance: Advance) -> None:
    """Delete them, batch by batch: first what MongoDB has of them. A run that is broken off can be repeated."""
    with loading(url) as (engine, _):
        while True:
            with engine.begin() as connection:
                ids = _some(connection)
                if not ids:
                    break
                if database is not None:
                    await _delete_documents(database, ids)
                for table in tables_of_users():  # the database would do it row by row
                    connection.execute(delete(table).where(table.c.user_id.in_(ids)))
                connection.execute(delete(users).where(users.c.id.in_(ids)))
            advance(len(ids))
        with engine.begin() as connection:
            connection.execute(delete(verifications).where(_is_reserved(verifications.c.identifier)))


def _some(connection: Connection) -> Sequence[str]:
    found = select(users.c.id).where(_is_reserved(users.c.email)).limit(BATCH)
    return connection.execute(found).scalars().all()


async def _delete_documents(database: Database, ids: Sequence[str]) -> None:
    for each in COLLECTIONS:
        await database[each.name].delete_many({"userId": {"$in": list(ids)}})


def _is_reserved(column: ColumnElement[str]) -> ColumnElement[bool]:
    return or_(*(column.like(pattern) for pattern in RESERVED))
