"""The collection `schema_history`: which migrations were applied, by whom and when, and the code they still serve."""

import getpass
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from runtime.clock import utc_now
from services.notifications.store.schema.changes import Migration

NAME = "schema_history"
RESTORE = "restore"
"""The id of the document that is there while `trivet backup restore` writes, and stays if that is killed."""
Database = AsyncDatabase[dict[str, Any]]


@dataclass(frozen=True)
class Applied:
    """A migration that was applied. `needs` is the oldest migration that code must know to work after it."""

    number: int
    at: datetime
    by: str
    needs: int


@dataclass(frozen=True)
class MigrationStatus:
    """The state of a database: the applied migrations by number, those of this version, and those that are missing."""

    applied: dict[int, Applied]
    steps: tuple[Migration, ...]
    is_half_restored: bool = False

    @property
    def pending(self) -> tuple[Migration, ...]:
        return tuple(step for step in self.steps if step.number not in self.applied)

    @property
    def current(self) -> int:
        """The newest applied migration, 0 if there is none."""
        return max(self.applied, default=0)

    @property
    def head(self) -> int:
        """The newest migration of this version."""
        return self.steps[-1].number

    @property
    def is_newer(self) -> bool:
        """Whether a later version has migrated the database."""
        return self.current > self.head

    @property
    def serves_this_code(self) -> bool:
        """Whether this code can work on the schema, though a later version has migrated it."""
        return self.applied[self.current].needs <= self.head if self.is_newer else True


async def status(database: Database, steps: Sequence[Migration]) -> MigrationStatus:
    """Return the state of a database."""
    rows = await database[NAME].find({"$or": [{"_id": {"$type": "number"}}, {"_id": RESTORE}]}).to_list()
    by_number = sorted((row for row in rows if row["_id"] != RESTORE), key=lambda row: row["_id"])
    applied = {row["_id"]: Applied(row["_id"], row["appliedAt"], row["appliedBy"], row["needs"]) for row in by_number}
    return MigrationStatus(applied, tuple(steps), is_half_restored=len(applied) < len(rows))


async def record(database: Database, step: Migration, needs: int) -> None:
    """Note that a migration was applied by this user of this machine."""
    row = {"name": step.name, "appliedAt": utc_now(), "appliedBy": operator(), "needs": needs}
    await database[NAME].update_one({"_id": step.number}, {"$set": row}, upsert=True)


async def forget(database: Database, number: int) -> None:
    """Note that a migration was rolled back."""
    await database[NAME].delete_one({"_id": number})


def operator() -> str:
    """Return the user and the machine that this process runs as."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container can run as a user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
