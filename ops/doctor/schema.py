"""Whether the schemas of both stores are ones that this code works with.

It reads the revision without Alembic, whose import takes longer than all other checks together.
"""

from sqlalchemy import Connection

from ops.doctor.finding import Finding, error, note
from services.identity.store.schema.history import oldest_code
from services.identity.store.schema.schema_check import current_revision, revisions
from services.notifications.store.schema import history
from services.notifications.store.schema.history import Database
from services.notifications.store.schema.steps import steps

CHECK = "migrations"


async def of_mongodb(database: Database) -> list[Finding]:
    """Check MongoDB's schema."""
    found = await history.status(database, steps())
    if found.is_newer:
        return [_later("MongoDB", str(found.current), str(found.head), serves=found.serves_this_code)]
    return [_missing("MongoDB", str(found.current or ""), str(found.head))] if found.pending else []


def of_sql(connection: Connection) -> list[Finding]:
    """Check the database's schema."""
    head, older = revisions()
    current = current_revision(connection)
    if current == head:
        return []
    if current is None or current in older:
        return [_missing("the database", current or "", head)]
    serves = oldest_code(connection, current) in older | {head}
    return [_later("the database", current, head, serves=serves)]


def _missing(store: str, current: str, head: str) -> Finding:
    at = f"is at the migration {current}" if current else "has no migration"
    return error(CHECK, f"{store} {at}, and this version needs {head}", "run `trivet db migrate`")


def _later(store: str, current: str, head: str, *, serves: bool) -> Finding:
    problem = f"{store} is at the migration {current}, and this version knows {head}"
    if serves:
        return note(CHECK, f"{problem}; it still serves this version", "finish the upgrade of all processes")
    return error(CHECK, f"{problem}, which cannot work with it", "run the version that migrated it")
