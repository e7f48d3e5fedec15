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

logger = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = Table("alembic_version", MetaData(), Column("version_num", String(32)))
NEWER_SCHEMA = (
    "the database's schema is %s, which this version does not know: it was made for %s. Run the version that migrated "
    "the database, or take its migrations back with that version's `trivet db rollback`"
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
    """Admits to a database whose schema is at our head, or at one that only a later release knows.

    A release may only add to the schema what the one before it can live with, so an older process goes on serving.
    The schema can change while the service runs, so it is looked at more than once.
    """

    def __init__(self) -> None:
        self._head, self._older = revisions()
        self._logged: str | None = ""

    async def __call__(self, connection: AsyncConnection) -> bool:
        """Return whether the schema is exactly ours; False for a later one.

        Raises Unavailable while the schema is an older one (SCHEMA_OUTDATED) or the server is (STORE_TOO_OLD). The log
        says once what to do.
        """
        try:
            await connection.run_sync(check_version)
        except TooOldError as error:
            if self._logged != str(error):
                self._logged = str(error)
                logger.error("the database of DATABASE_URL cannot be used: %s", error)
            raise Unavailable("STORE_TOO_OLD", "the database server is older than this service works with") from error
        found = await connection.run_sync(current_revision)
        if found == self._head:
            self._logged = ""
            return True
        is_new = found != self._logged
        self._logged = found
        if found is not None and found not in self._older:
            if is_new:
                logger.warning(NEWER_SCHEMA, found, self._head)
            return False
        if is_new:
            logger.error(
                "the database's schema is %s and must be %s: run `trivet db migrate`", found or "empty", self._head
            )
        raise Unavailable("SCHEMA_OUTDATED", "the database's schema is older than this service")
