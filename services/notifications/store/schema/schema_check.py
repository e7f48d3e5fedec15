"""Whether MongoDB's schema is one that this code can work with."""

import logging

import pymongo

from runtime.errors import Unavailable
from services.notifications.store.schema import history, migrate
from services.notifications.store.schema.history import Database, MigrationStatus
from services.notifications.store.schema.steps import steps

logger = logging.getLogger(__name__)
READ_SECONDS = 30
"""The time limit at the start, when the server can be busy."""
NEWER = "MongoDB's schema is %s, later than this version's %s; its history says that this version can work on it"
TOO_NEW = (
    "MongoDB's schema is %s, which this version cannot work with: it was made for %s. Run the version that migrated "
    "the database, or take its migrations back with that version's `trivet db rollback`"
)
OUTDATED = "MongoDB's schema is %s and must be %s: run `trivet db migrate`, or restart the service"
HALF_RESTORED = (
    "MongoDB is half restored: a restore runs, or was interrupted. Stop the service, and run `trivet backup restore "
    "--replace` to its end"
)


class RefusedSchemaError(Exception):
    """No migration of this version can mend the database: it is half restored, or of a later version."""


class SchemaCheck:
    """Migrates the schema at the start, and looks at it with every ping. The log says once what is wrong."""

    def __init__(self) -> None:
        self.refusal: Unavailable | None = None
        self._logged = (0, False)

    async def prepare(self, database: Database) -> None:
        """Run the missing migrations. Raises RefusedSchemaError, and the driver's errors."""
        found = await self._read(database)
        if found.pending and not (found.is_newer or found.is_half_restored):
            with pymongo.timeout(migrate.BUILD_SECONDS):
                await migrate.upgrade(database)
            found = await self._read(database)
        self._judge(found)
        if self.refusal is not None and (found.is_newer or found.is_half_restored):
            raise RefusedSchemaError

    async def _read(self, database: Database) -> MigrationStatus:
        with pymongo.timeout(READ_SECONDS):
            return await history.status(database, steps())

    async def look(self, database: Database) -> None:
        """Raise Unavailable while the schema is not one to work with (SCHEMA_OUTDATED, SCHEMA_TOO_NEW).

        A service that runs does not migrate again: the operator rolled back for a reason.
        """
        self._judge(await history.status(database, steps()))
        if self.refusal is not None:
            raise self.refusal

    def _judge(self, found: MigrationStatus) -> None:
        seen = (found.current, found.is_half_restored)
        is_new, self._logged = seen != self._logged, seen
        self.refusal = None
        if found.is_half_restored:
            self.refusal = Unavailable("STORE_UNAVAILABLE", "MongoDB is half restored")
            if is_new:
                logger.error(HALF_RESTORED)
        elif found.is_newer and found.serves_this_code:
            if is_new:
                logger.warning(NEWER, found.current, found.head)
        elif found.is_newer:
            self.refusal = Unavailable("SCHEMA_TOO_NEW", "MongoDB's schema is newer than this service can work with")
            if is_new:
                logger.error(TOO_NEW, found.current, found.head)
        elif found.pending:
            self.refusal = Unavailable("SCHEMA_OUTDATED", "MongoDB's schema is older than this service")
            if is_new:
                logger.error(OUTDATED, found.current, found.head)
