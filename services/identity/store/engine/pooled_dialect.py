"""SQLAlchemy's asyncpg dialect for connections behind a pooler: see `pooler.py`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import Connection

NO_STATEMENT_CACHE = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}


class PooledDialect(PGDialect_asyncpg):
    """SQLAlchemy's asyncpg dialect. It detects a pooler at the first connection, unless `is_pooled` is set before."""

    supports_statement_cache = True
    is_pooled: bool | None = None
    begin = "BEGIN"

    def connect(self, *cargs: Any, **cparams: Any) -> Any:
        """Connect with session settings, or without them behind a pooler, where other clients use the same session."""
        settings: Mapping[str, str] = cparams.get("server_settings", {})
        name = {"server_settings": {"application_name": settings.get("application_name", "trivet")}}
        modest = cparams | name | NO_STATEMENT_CACHE
        if self.is_pooled is None:
            asking = super().connect(*cargs, **modest)
            try:
                self.is_pooled = asking.run_async(_is_pooled)
            finally:
                asking.terminate()
        self.begin = "; ".join(("BEGIN", *_local(settings)))
        return super().connect(*cargs, **(modest if self.is_pooled else cparams))

    def initialize(self, connection: Connection) -> None:
        """Read the server's version and features, in one transaction."""
        raw = cast(Any, connection.connection.dbapi_connection)
        raw.run_async(lambda driver: driver.execute("BEGIN"))
        super().initialize(connection)  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it
        raw.run_async(lambda driver: driver.execute("ROLLBACK"))

    async def setup_asyncpg_json_codec(self, conn: Any) -> None:
        """Do nothing: no column is JSON, and the codec sends statements outside of a transaction."""

    async def setup_asyncpg_jsonb_codec(self, conn: Any) -> None:
        """Do nothing, for the same reason."""


def _local(settings: Mapping[str, str]) -> Iterator[str]:
    """Yield statements that set the settings in one transaction. `options` is in the server's command-line form."""
    given = re.findall(r"-c\s*([\w.]+)=((?:\\.|\S)*)", settings.get("options", ""))
    own = {name: re.sub(r"\\(.)", r"\1", value) for name, value in given}
    for name, value in {**settings, **own}.items():
        if name not in ("application_name", "options"):
            yield f"SELECT set_config({_quoted(name)}, {_quoted(value)}, true)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def _is_pooled(driver: Any) -> bool:
    """Whether a pooler changes the process id that the server sends to its client."""
    async with driver.transaction():
        return bool(await driver.fetchval("SELECT pg_backend_pid()") != driver.get_server_pid())
