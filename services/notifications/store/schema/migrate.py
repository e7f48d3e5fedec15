"""Migrates MongoDB to the indexes and validators in code, and back."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import pymongo
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from services.notifications.store.schema import history
from services.notifications.store.schema.changes import AddIndex, Change, DropIndex, Migration, SetValidator, name_of
from services.notifications.store.schema.history import Database, MigrationStatus
from services.notifications.store.schema.lock import OnWait, ignore, only_one
from services.notifications.store.schema.steps import steps

BUILD_SECONDS = 7 * 24 * 60 * 60
"""How long an index can take. The driver notices a server that has gone by its heartbeats."""
INDEX_NOT_FOUND = 27
NAMESPACE_NOT_FOUND = 26

OnChange = Callable[[str], None]
"""Takes a line about each change before it is made."""


class NewerSchemaError(ValueError):
    """A later release has migrated the database; this one does not know how to work on its schema."""


async def upgrade(
    database: Database,
    to: int | None = None,
    *,
    on_wait: OnWait = ignore,
    on_change: OnChange = ignore,
    every: Sequence[Migration] | None = None,
) -> MigrationStatus:
    """Bring the database to our schema, or to the migration `to`. Return the status from before.

    An index is built while the collection is read and written. A change that is there already is left as it is, so a
    migration that was broken off goes on. Raises MigrationLockError, NewerSchemaError, and ValueError for a migration
    that does not exist or lies behind the database.
    """
    every = steps() if every is None else every
    if not (before := await _known(database, every, to)).pending:
        return before  # without the lock: most starts find nothing to do
    async with only_one(database, on_wait):
        before = await _known(database, every, to)
        needs = max((each.needs for each in before.applied.values()), default=0)
        for step in before.pending:
            if to is not None and step.number > to:
                break
            await _make(database, step.changes, on_change)
            needs = max(needs, step.needs)
            await history.record(database, step, needs)
    return before


async def downgrade(
    database: Database,
    count: int = 1,
    *,
    on_wait: OnWait = ignore,
    on_change: OnChange = ignore,
    every: Sequence[Migration] | None = None,
) -> MigrationStatus:
    """Roll the last `count` migrations back; return the status after it. Documents stay. Raises as `upgrade` does."""
    every = steps() if every is None else every
    async with only_one(database, on_wait):
        before = await _known(database, every, None)
        taken = [step for step in every if step.number in before.applied]
        if len(taken) < count:
            raise ValueError(f"there are no {count} migrations to take back")
        for step in reversed(taken[-count:]):
            await _make(database, step.inverse, on_change)
            await history.forget(database, step.number)
        return await history.status(database, every)


async def _known(database: Database, every: Sequence[Migration], to: int | None) -> MigrationStatus:
    found = await history.status(database, every)
    if found.is_newer:
        raise NewerSchemaError(
            f"MongoDB's schema is {found.current}, which this version does not know ({found.head} is its newest): use "
            "the version that migrated the database"
        )
    if to is not None and to not in {step.number for step in every}:
        raise ValueError(f"there is no migration {to}: they are {every[0].number} to {found.head}")
    if to is not None and to < found.current:
        raise ValueError(f"MongoDB is at {found.current} already: go back with `trivet db rollback`")
    return found


async def _make(database: Database, changes: Sequence[Change], on_change: OnChange) -> None:
    """Make the changes in order; indexes of one collection that stand together are built in one pass over it."""
    with pymongo.timeout(BUILD_SECONDS):
        for (kind, collection), found in groupby(changes, lambda each: (type(each), each.collection)):
            together = list(found)
            if kind is AddIndex:
                await _build(
                    database, collection, [each.index for each in together if isinstance(each, AddIndex)], on_change
                )
                continue
            for each in together:
                match each:
                    case DropIndex(_, index):
                        on_change(f"dropping the index {name_of(index)} of {collection}")
                        await _drop(database, collection, name_of(index))
                    case SetValidator(_, validator, _):
                        on_change(f"setting the validator of {collection}")
                        await _set_validator(database, collection, dict(validator))


async def _build(database: Database, collection: str, indexes: list[IndexModel], on_change: OnChange) -> None:
    count = await database[collection].estimated_document_count()
    names = ", ".join(map(name_of, indexes))
    on_change(f"building {names} of {collection} ({count:,} documents)")
    await database[collection].create_indexes(indexes)


async def _drop(database: Database, collection: str, name: str) -> None:
    try:
        await database[collection].drop_index(name)
    except OperationFailure as error:
        if error.code not in (INDEX_NOT_FOUND, NAMESPACE_NOT_FOUND):
            raise


async def _set_validator(database: Database, collection: str, validator: dict[str, object]) -> None:
    """Set it. A document that does not pass it can still be changed, so that older ones are not locked in."""
    rules: dict[str, Any] = {"validator": {"$jsonSchema": validator} if validator else {}}
    rules["validationLevel"] = "moderate" if validator else "off"
    try:
        await database.command("collMod", collection, **rules)
    except OperationFailure as error:
        if error.code != NAMESPACE_NOT_FOUND:
            raise
        await database.create_collection(collection, **rules)
