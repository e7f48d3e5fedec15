"""Writes migrations from the difference between the tables in code and a database."""

from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.operations import ops
from alembic.script import Script
from sqlalchemy import Connection

from ops.schema.difference import context, difference, migrated_tables, scratch
from services.identity.store.schema import history
from services.identity.store.schema.migrate import migrating, status_of
from services.identity.store.schema.steps import Step, alembic_config, order, script_directory, steps


@dataclass
class Contraction:
    """What the code does not declare any more, by `users` or `users.nickname`, parted by what a migration does to it.

    A release that stops reading a column retires it, and a later one drops it: the two run side by side in between.
    """

    release: str
    before: tuple[Step, ...]
    retires: list[str] = field(default_factory=list)
    drops: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def can_drop(self, name: str) -> bool:
        """Whether an earlier release has retired it. If no release has, this one does."""
        for step in self.before:
            if name in step.retires:
                can = order(step.release) < order(self.release)
                (self.drops if can else self.kept).append(name)
                return can
        self.retires.append(name)
        self.kept.append(name)
        return False


def generate(name: str, release: str, url: str | None = None) -> Path | None:
    """Write a migration from a database at the newest one to the tables in code; return its path, None if they agree.

    It is written from what the migrations make on SQLite: an engine's own words would not run on the others. Without
    `url`, and for a database whose tables were pushed, that is compared as well. Raises ValueError for a database that
    lacks migrations, or that differs from the code in what does not show on SQLite.
    """
    differs = _differs(url, release) if url else None
    if differs == []:
        return None
    with scratch() as connection:
        path = _written(connection, name, release)
    if path is None and differs:
        raise ValueError(
            f"the database differs from the code ({'; '.join(differs)}), and what the migrations make on SQLite does "
            "not: mend the database, or write the migration by hand with `trivet db create`"
        )
    return path


def _differs(url: str, release: str) -> list[str] | None:
    """Return how the database differs from the code, None if its tables were pushed."""
    with migrating(url) as (connection, _):
        status = status_of(connection)
        if history.is_pushed(connection):
            return None
        if status.pending:
            raise ValueError(f"the database lacks {', '.join(status.pending)}: run `trivet db migrate` first")
        return difference(connection, release)


def create(name: str, release: str) -> Path:
    """Write a migration that does nothing yet; return its path."""
    config = alembic_config()
    config.attributes["release"] = release
    with redirect_stdout(StringIO()):  # Alembic says each step
        return _path(command.revision(config, message=name, rev_id=_next()))


def _written(connection: Connection, name: str, release: str) -> Path | None:
    config = _generating(connection, Contraction(release, steps()))
    with redirect_stdout(StringIO()):
        found = command.revision(config, message=name, autogenerate=True, rev_id=_next())
    return None if isinstance(found, list) and not found else _path(found)


def _generating(connection: Connection, contraction: Contraction) -> Config:
    config = alembic_config()
    tables = migrated_tables()

    def revise(_context: object, _revision: object, directives: list[ops.MigrationScript]) -> None:
        (script,) = directives
        done = script.upgrade_ops
        assert done is not None
        # Tables first: the indexes of one that is retired stay.
        done.ops = [each for each in done.ops if not _is_kept_table(each, contraction)]
        done.ops = [each for each in done.ops if _stays(each, contraction)]
        if done.is_empty() and not contraction.retires:
            directives.clear()
        elif script.downgrade_ops is not None:
            done.reverse_into(script.downgrade_ops)

    config.attributes |= {
        "connection": connection,
        "include_object": context(connection, tables=tables).opts["include_object"],
        "revise": revise,
        "release": contraction.release,
        "retires": contraction.retires,
        "drops": contraction.drops,
    }
    return config


def _is_kept_table(operation: ops.MigrateOperation, contraction: Contraction) -> bool:
    return isinstance(operation, ops.DropTableOp) and not contraction.can_drop(operation.table_name)


def _stays(operation: ops.MigrateOperation, contraction: Contraction) -> bool:
    """Whether an operation stands in the migration; takes out those on what is retired only now."""
    if not isinstance(operation, ops.ModifyTableOps):
        return True
    if operation.table_name in contraction.kept:
        return False
    operation.ops = [kept for each in operation.ops if (kept := _kept(each, contraction)) is not None]
    return bool(operation.ops)


def _kept(operation: ops.MigrateOperation, contraction: Contraction) -> ops.MigrateOperation | None:
    if not isinstance(operation, ops.DropColumnOp):
        return operation
    before = operation.to_column()
    if contraction.can_drop(f"{operation.table_name}.{operation.column_name}"):
        return operation
    if before.nullable or before.server_default is not None:
        return None
    # The release that retires it writes rows without it.
    return ops.AlterColumnOp(
        operation.table_name,
        operation.column_name,
        existing_type=before.type,
        existing_nullable=False,
        modify_nullable=True,
    )


def _next() -> str:
    return f"{int(script_directory().get_current_head() or 0) + 1:04}"


def _path(script: Script | list[Script | None] | None) -> Path:
    if script is None or isinstance(script, list):
        raise RuntimeError("alembic wrote no single migration")
    return Path(script.path)
