"""Whether a database's schema is one that this code can work with.

It reads Alembic's table without Alembic, which only a migration needs.
"""

import logging
import re
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.errors import Unavailable
from services.identity.store.engine.versions import TooOldError, check_version
from services.identity.store.schema.history import oldest_code

logger = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = Table("alembic_version", MetaData(), Column("version_num", String(32)))
NEWER_SCHEMA = (
    "the database's schema is %s, later than this version's %s; its history says that this version can work on it"
)
TOO_NEW = (
    "the database's schema is %s, which this version cannot work with: it was made for %s. Run the version that "
    "migrated the database, or take its migrations back with that version's `trivet db rollback`"
)
REVISION = re.compile(r"""^(down_)?revision = ["'](\w+)["']$""", re.MULTILINE)


def revisions() -> tuple[str, frozenset[str]]:
    """Return the revision that the newest migration leads to, and those of the ones before it."""
    named: dict[str, set[str]] = {"": set(), "down_": set()}
    for migration in (MIGRATIONS / "versions").glob("*.py"):
        for down, revision in REVISION.findall(migration.read_text()):
            named[down].add(revision)
    (head,) = named[""] - named["down_"]
    return head, frozenset(named[""] - {head})


def current_revision(connection: Connection) -> str | None:
    """Return the revision that the database is at, None if it is empty."""
    if not inspect(connection).has_table(VERSION_TABLE.name):
        return None
    return connection.scalar(select(VERSION_TABLE.c.version_num))


class SchemaCheck:
    """Admits to a database whose schema is at our head, or at a later one that still serves our code.

    The migration that made a later schema has noted the oldest code that can work on it. Without that note the schema
    is refused. It can change while the service runs, so it is looked at more than once.
    """

    def __init__(self) -> None:
        self._head, self._older = revisions()
        self._logged: str | None = ""

    async def __call__(self, connection: AsyncConnection) -> bool:
        """Return whether the schema is exactly ours; False for a later one that serves our code.

        Raises Unavailable while the schema is an older one (SCHEMA_OUTDATED), a later one that does not serve our code
        (SCHEMA_TOO_NEW), or the server is too old (STORE_TOO_OLD). The log says once what to do.
        """
        try:
            await connection.run_sync(check_version)
        except TooOldError as error:
            if self._is_new(str(error)):
                logger.error("the database of DATABASE_URL cannot be used: %s", error)
            raise Unavailable("STORE_TOO_OLD", "the database server is older than this service works with") from error
        found = await connection.run_sync(current_revision)
        if found == self._head:
            self._logged = ""
            return True
        is_new = self._is_new(found)
        if found is None or found in self._older:
            if is_new:
                logger.error(
                    "the database's schema is %s and must be %s: run `trivet db migrate`", found or "empty", self._head
                )
            raise Unavailable("SCHEMA_OUTDATED", "the database's schema is older than this service")
        if await connection.run_sync(oldest_code, found) in self._older | {self._head}:
            if is_new:
                logger.warning(NEWER_SCHEMA, found, self._head)
            return False
        if is_new:
            logger.error(TOO_NEW, found, self._head)
        raise Unavailable("SCHEMA_TOO_NEW", "the database's schema is newer than this service can work with")

    def _is_new(self, found: str | None) -> bool:
        """Whether this was not found at the last look, so that the log has a line about it."""
        before, self._logged = self._logged, found
        return before != found
