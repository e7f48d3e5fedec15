"""Refuses a migration that breaks the release before it: `make check`, and a test on every engine.

While a release rolls out, the processes of the one before it work on the new schema. So a migration can add what older
code does not miss, and can drop or rename only what an earlier release has retired.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from alembic import command
from sqlalchemy import Connection, MetaData, create_engine, inspect

from ops.schema.difference import OWN
from services.identity.schema import metadata
from services.identity.store.schema import history
from services.identity.store.schema.migrate import configured
from services.identity.store.schema.steps import Step, order, steps
from services.notifications.store.schema.changes import (
    AddIndex,
    Change,
    DropIndex,
    Migration,
    Schema,
    SetValidator,
    name_of,
)
from services.notifications.store.schema.steps import steps as mongo_steps


@dataclass(frozen=True)
class Field:
    """A column: whether a row can be written without it, and whether it can be null."""

    is_optional: bool
    is_nullable: bool


Snapshot = Mapping[str, Mapping[str, Field]]
"""The columns of every table."""


def snapshot(connection: Connection) -> Snapshot:
    """Return the tables of an open database with their columns."""
    looking = inspect(connection)
    return {
        table: {
            each["name"]: Field(
                each["nullable"] or each["default"] is not None or bool(each.get("autoincrement") is True),
                bool(each["nullable"]),
            )
            for each in looking.get_columns(table)
        }
        for table in looking.get_table_names()
        if table not in OWN
    }


def breaches(
    every: Sequence[Step],
    migrate: Callable[[Step], None],
    look: Callable[[], Snapshot],
    declared: MetaData | None = None,
) -> Iterator[str]:
    """Run the migrations one by one and yield what each breaks, a line each. `declared` are the tables in code."""
    declared = metadata if declared is None else declared
    before = look()
    retired: dict[str, Step] = {}
    for step in every:
        migrate(step)
        after = look()
        yield from _of_drops(step, before, after, retired)
        yield from _of_additions(step, before, after)
        for name in step.retires:
            yield from _of_retired(step, name, after, declared)
            retired[name] = step
        before = after


def _of_drops(step: Step, before: Snapshot, after: Snapshot, retired: Mapping[str, Step]) -> Iterator[str]:
    gone = set(_vanished(before, after))
    for name in sorted(gone):
        if name not in step.drops:
            yield f"{step.revision} drops or renames {name}: name it in `drops`"
        by = retired.get(name) or retired.get(name.partition(".")[0])
        if by is None or order(by.release) >= order(step.release):
            yield (
                f"{step.revision} drops or renames {name}, which the release before {step.release} still reads: first "
                f"retire it, in an earlier release (`trivet db generate` after you removed it from the code)"
            )
    for name in sorted(set(step.drops) - gone):
        yield f"{step.revision} names {name} in `drops` and does not drop it"


def _vanished(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for table, fields in before.items():
        if table not in after:
            yield table
        else:
            yield from (f"{table}.{field}" for field in fields.keys() - after[table].keys())


def _of_additions(step: Step, before: Snapshot, after: Snapshot) -> Iterator[str]:
    for table in before.keys() & after.keys():
        for name, field in after[table].items():
            old = before[table].get(name)
            if old is None and not field.is_optional:
                yield (
                    f"{step.revision} adds {table}.{name} NOT NULL without a default: the release before it writes "
                    "rows without it; give it a server_default, or make it nullable"
                )
            if old is not None and old.is_nullable and not field.is_nullable:
                yield (
                    f"{step.revision} makes {table}.{name} NOT NULL: the release before it can write null; add a "
                    "column instead, and retire this one"
                )


def _of_retired(step: Step, name: str, after: Snapshot, declared: MetaData) -> Iterator[str]:
    table, _, column = name.partition(".")
    if table not in after or (column and column not in after[table]):
        yield f"{step.revision} retires {name}, which is not there"
        return
    if column and not after[table][column].is_optional:
        yield f"{step.revision} retires {name}, which is NOT NULL without a default: rows cannot be written without it"
    if table in declared.tables and (not column or column in declared.tables[table].columns):
        yield f"{step.revision} retires {name}, which the code still declares: remove it from tables.py"


def on_sqlite(every: Collection[Step] | None = None) -> list[str]:
    """Return what the migrations break, by running them in memory."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        history.make(connection)
        config = configured(connection)
        return list(
            breaches(
                tuple(every or steps()),
                lambda step: command.upgrade(config, step.revision),
                lambda: snapshot(connection),
            )
        )


def of_mongo(every: Sequence[Migration]) -> Iterator[str]:
    """Yield what the migrations of MongoDB break, a line each.

    Older code misses an index that is dropped, and writes what a new rule or a unique index refuses. So it must be
    refused itself (`needs`), and the release that rolls out must not be the first that can do without.
    """
    releases = {step.number: step.release for step in every}
    first = min(map(order, releases.values()), default=())
    for step in every:
        if order(step.release) == first:
            continue  # no release was before it
        before = Schema.after(each for each in every if each.number < step.number)
        needed = releases.get(step.needs)
        if needed is not None and order(needed) < order(step.release):
            continue
        for change in step.changes:
            if said := _narrows(change, before, step):
                yield (
                    f"{step.number:04} of MongoDB {said}, which code of the release before {step.release} does not "
                    "know: name in `needs` the migration of an earlier release whose code does"
                )


def _narrows(change: Change, before: Schema, step: Migration) -> str | None:
    """Say what a change takes from older code, None if it takes nothing."""
    match change:
        case DropIndex(collection, index):
            is_built_again = any(isinstance(each, AddIndex) and each.collection == collection for each in step.changes)
            return None if is_built_again else f"drops the index {name_of(index)} of {collection}"
        case AddIndex(collection, index):
            is_new = collection not in before.indexes
            return None if is_new or not index.document.get("unique") else f"makes {name_of(index)} unique"
        case SetValidator(collection, validator, _):
            old = before.validators.get(collection, {})
            is_looser = not validator or all(old.get(key) == rule for key, rule in validator.items())
            return None if is_looser else f"adds rules to the validator of {collection}"


if __name__ == "__main__":
    found = [*on_sqlite(), *of_mongo(mongo_steps())]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(1 if found else 0)
