"""Whether a database's schema is one that this code can work with."""

import logging
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.errors import Unavailable

logger = logging.getLogger(__name__)
# It tells of every look at a revision, and we look whenever a store comes up.
logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)
MIGRATIONS = Path(__file__).parent / "migrations"


def script_directory() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


def current_revision(connection: Connection) -> str | None:
    """Return the revision that the database is at, None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


class SchemaCheck:
    """Admits to a database whose schema is at our head, or at one that only a later release knows.

    A release may only add to the schema what the one before it can live with, so an older process goes on serving.
    """

    def __init__(self) -> None:
        script = script_directory()
        self._head = script.get_current_head()
        self._older = {step.revision for step in script.walk_revisions()} - {self._head}
        self._said: str | None = ""

    async def __call__(self, connection: AsyncConnection) -> None:
        """Raise Unavailable (SCHEMA_OUTDATED) while the schema is an older one; say once in the log what to run."""
        found = await connection.run_sync(current_revision)
        if found is not None and found not in self._older:
            return
        if found != self._said:
            self._said = found
            logger.error(
                "the database's schema is %s and must be %s: run `trivet db migrate`", found or "empty", self._head
            )
        raise Unavailable("SCHEMA_OUTDATED", "the database's schema is older than this service")
