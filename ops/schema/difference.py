"""How the tables of a database differ from those in code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect

from services.identity.schema import metadata
from services.identity.store.schema import history
from services.identity.store.schema.migrate import configured
from services.identity.store.schema.schema_check import VERSION_TABLE
from services.identity.store.schema.steps import order, steps

OWN = frozenset({VERSION_TABLE.name, history.HISTORY.name})
"""The tables that the migrations' runner keeps."""


def difference(connection: Connection, release: str | None = None) -> list[str]:
    """Return how the tables of an open database differ from those in code, a line each.

    Retired tables and columns are no difference: they wait for a later release that drops them. With `release`, those
    that this one can drop are one.
    """
    kept = [step for step in steps() if release is None or order(step.release) >= order(release)]
    retired = {name for step in kept for name in step.retires}
    tables = migrated_tables() if release else frozenset()
    done = produce_migrations(context(connection, tables=tables, retired=retired), metadata).upgrade_ops
    return [describe(diff) for diff in done.as_diffs()] if done else []


def context(
    connection: Connection, *, tables: frozenset[str] = frozenset(), retired: set[str] | None = None
) -> MigrationContext:
    """Return Alembic's view of a database: our tables, those of `tables`, and nothing that another program made."""

    def is_ours(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        if kind == "table" and reflected and compare_to is None:
            return name in tables and name not in (retired or ())
        return not (kind == "column" and reflected and f"{item.table.name}.{name}" in (retired or ()))

    return MigrationContext.configure(connection, opts={"include_object": is_ours, "target_metadata": metadata})


def describe(diff: Any) -> str:
    """Say one difference in a line."""
    if isinstance(diff, list):  # the changes of one column
        return "; ".join(map(describe, diff))
    kind, *parts = diff
    names = [str(getattr(part, "name", part)) for part in parts if part is not None and not isinstance(part, dict)]
    return f"{kind.replace('_', ' ')} {' '.join(names[:2])}"


@contextmanager
def scratch() -> Iterator[Connection]:
    """Open an SQLite database in memory that the migrations have filled."""
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            history.make(connection)
            command.upgrade(configured(connection), "head")
            yield connection
    finally:
        engine.dispose()


def migrated_tables() -> frozenset[str]:
    """Return the tables that the migrations make, also those that the code does not declare any more."""
    with scratch() as connection:
        return frozenset(inspect(connection).get_table_names()) - {VERSION_TABLE.name, history.HISTORY.name}
