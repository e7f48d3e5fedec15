"""The table `schema_history`: who applied a migration and when, and the oldest code that the schema still serves.

The migrations' runner keeps it, as Alembic keeps `alembic_version`: neither is part of the schema that it describes.
"""

import getpass
import os
import socket
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert, inspect, select

from runtime.clock import utc_now
from services.identity.store.schema.column_types import Moment

LONGEST = 255
PUSHED = "pushed"
"""Stands for a revision, in the row of a database whose tables were brought to the code without a migration."""
HISTORY = Table(
    "schema_history",
    MetaData(),
    Column("revision", String(32), primary_key=True),
    Column("name", String(LONGEST), nullable=False),
    Column("applied_at", Moment, nullable=False),
    Column("applied_by", String(LONGEST), nullable=False),
    Column("oldest_code", String(32), nullable=False),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)


@dataclass(frozen=True)
class Applied:
    """When a migration was applied, and by which user of which machine."""

    at: datetime
    by: str


def make(connection: Connection) -> None:
    """Create the table unless it is there. A database that an older release migrated has none."""
    if not inspect(connection).has_table(HISTORY.name):
        HISTORY.create(connection)


def record(connection: Connection, revision: str, name: str, oldest_code: str) -> None:
    """Note that a migration was applied by this user of this machine."""
    forget(connection, revision)
    values = {"revision": revision, "name": name[:LONGEST], "applied_at": utc_now(), "applied_by": _operator()}
    connection.execute(insert(HISTORY).values(**values, oldest_code=oldest_code))


def forget(connection: Connection, revision: str) -> None:
    """Note that a migration was rolled back."""
    connection.execute(delete(HISTORY).where(HISTORY.c.revision == revision))


def applied(connection: Connection) -> dict[str, Applied]:
    """Return what is known of the applied migrations, by revision."""
    if not inspect(connection).has_table(HISTORY.name):
        return {}
    rows = connection.execute(select(HISTORY.c.revision, HISTORY.c.applied_at, HISTORY.c.applied_by))
    return {revision: Applied(at, by) for revision, at, by in rows}


def oldest_code(connection: Connection, revision: str) -> str | None:
    """Return the newest migration that code must know to work at a revision, None if no one noted it."""
    if not inspect(connection).has_table(HISTORY.name):
        return None
    return connection.scalar(select(HISTORY.c.oldest_code).where(HISTORY.c.revision == revision))


def record_push(connection: Connection) -> None:
    """Note that the tables were brought to the code without a migration."""
    record(connection, PUSHED, "the tables in code", "")


def is_pushed(connection: Connection) -> bool:
    """Whether the tables were brought to the code without a migration."""
    return PUSHED in applied(connection)


def _operator() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container can run as a user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:LONGEST]
