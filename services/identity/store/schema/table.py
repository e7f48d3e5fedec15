"""Declares tables: the shared metadata, and the columns that every table has.

Each domain declares its tables in its own `tables.py`. `services/identity/schema.py` imports them all, `migrations/`
creates them, and a test compares the two on every engine.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, MetaData, Table

from services.identity.store.schema.column_types import Ascii, Moment

ID_LENGTH = 36
HASH_LENGTH = 64

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


@dataclass(frozen=True, slots=True)
class Expiry:
    """The rows of a table that the sweeper deletes: those whose time in `column` is more than `kept` ago.

    The column has an index of its own. A row with no time in it is never swept.
    """

    column: str
    kept: timedelta = timedelta()


def table(name: str, *parts: Any, key: Column[Any] | None = None, expiry: Expiry | None = None) -> Table:
    """Return a table with the columns that every table has: the id, and when a row was created and last updated."""
    return Table(
        name,
        metadata,
        key if key is not None else Column("id", Ascii(ID_LENGTH), primary_key=True),
        Column("created_at", Moment, nullable=False),
        Column("updated_at", Moment, nullable=False),
        *parts,
        info={} if expiry is None else {Expiry: expiry},
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
