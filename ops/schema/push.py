"""Brings a database to the tables in code without a migration, for development."""

from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData

from ops.schema.difference import context, describe, difference, migrated_tables, scratch
from services.identity.schema import metadata
from services.identity.store.schema import history
from services.identity.store.schema.migrate import migrating, status_of


def push(url: str) -> list[str]:
    """Bring a database to the tables in code; return what differed, a line each.

    Data of dropped columns and tables is lost. Once the migrations make the same tables, they count as applied.
    """
    with migrating(url) as (connection, config):
        if not history.is_pushed(connection):
            command.upgrade(config, "head")
        done = produce_migrations(context(connection, tables=migrated_tables()), metadata).upgrade_ops
        said = [describe(diff) for diff in done.as_diffs()] if done else []
        if done is not None and said:
            _invoke(connection, done)
        if _migrations_make_these_tables():
            _count_as_migrated(connection)
            command.stamp(config, "head")
        else:
            history.record_push(connection)
        return said


def _migrations_make_these_tables() -> bool:
    with scratch() as connection:
        return not difference(connection)


def _count_as_migrated(connection: Connection) -> None:
    status = status_of(connection)
    for step in status.steps:
        if step.revision in status.pending:
            history.record(connection, step.revision, step.name, step.oldest_code)
    history.forget(connection, history.PUSHED)


def _invoke(connection: Connection, done: ops.OpContainer) -> None:
    operations = Operations(MigrationContext.configure(connection, opts={"target_metadata": MetaData()}))
    for each in done.ops:
        if isinstance(each, ops.ModifyTableOps):
            with operations.batch_alter_table(each.table_name) as batch:  # plain statements but on SQLite
                for change in each.ops:
                    batch.invoke(_alone(change))
        else:
            operations.invoke(each)


def _alone(change: ops.MigrateOperation) -> ops.MigrateOperation:
    """Return the addition of a column without its indexes and keys, which are changes of their own."""
    if not isinstance(change, ops.AddColumnOp):
        return change
    added = change.column
    bare = Column(added.name, added.type, nullable=added.nullable, server_default=added.server_default)
    return ops.AddColumnOp(change.table_name, bare)
