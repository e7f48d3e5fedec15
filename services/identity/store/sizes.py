"""The queries for sizes of tables and uses of indexes, and the metrics that they feed."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError

from runtime.telemetry import store_sizes
from services.identity.store.database import Database

TABLES = {
    "postgresql": (
        "SELECT c.relname, c.reltuples::bigint, pg_table_size(c.oid), pg_indexes_size(c.oid) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind = 'r' AND n.nspname = ANY(current_schemas(false))"
    ),
    "mysql": (
        "SELECT table_name, table_rows, data_length, index_length FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
    ),
    "sqlite": (
        "SELECT m.name, -1, (SELECT sum(pgsize) FROM dbstat d WHERE d.name = m.name), "
        "(SELECT sum(pgsize) FROM dbstat d JOIN sqlite_master i ON i.name = d.name "
        "WHERE i.type = 'index' AND i.tbl_name = m.name) FROM sqlite_master m WHERE m.type = 'table'"
    ),
}
"""Each table's name, estimated rows (negative if there is no estimate), bytes, and bytes of indexes."""
USES = {
    "postgresql": (
        "SELECT relname, indexrelname, idx_scan FROM pg_stat_user_indexes "
        "WHERE schemaname = ANY(current_schemas(false))"
    ),
    "userstat": (
        "SELECT table_name, index_name, rows_read FROM information_schema.index_statistics "
        "WHERE table_schema = DATABASE()"
    ),
    "performance_schema": (
        "SELECT object_name, index_name, count_star FROM performance_schema.table_io_waits_summary_by_index_usage "
        "WHERE object_schema = DATABASE() AND index_name IS NOT NULL"
    ),
}
"""Each table's name, the index, and how often it was used."""
COUNTERS = ("userstat", "performance_schema")
"""The variables that say whether a server of MySQL's protocol counts the uses of indexes, and where."""
REPLICAS = """
SELECT concat_ws(' ', application_name, host(client_addr)), coalesce(extract(epoch FROM replay_lag), 0)
FROM pg_stat_replication WHERE state IS NOT NULL
"""
"""PostgreSQL's primary knows its replicas. The state is null for a user who may not see them."""


class StoreSizes:
    """Measures the tables in the metadata. What the engine does not tell, or the user may not ask, is left out."""

    def __init__(self, database: Database, metadata: MetaData) -> None:
        self._database = database
        self._tables = frozenset(metadata.tables)

    async def measure(self) -> None:
        """Set the metrics. Raises Unavailable if the database is unreachable."""
        await self._database.ping()
        system = self._database.kind
        for name, rows, data, indexes in await self._ask(TABLES[system]):
            if name not in self._tables:
                continue
            if rows is not None and rows >= 0:
                store_sizes.rows.labels(system, name).set(rows)
            for part, size in (("data", data), ("indexes", indexes)):
                if size is not None:
                    store_sizes.size.labels(system, name, part).set(size)
        for name, index, uses in await self._uses():
            if name in self._tables:
                store_sizes.index_uses.labels(system, name, index).set(uses)
        store_sizes.measured_at.labels(system).set(time.time())

    async def measure_replicas(self) -> None:
        """Set the metrics of PostgreSQL's replicas. Raises Unavailable if the database is unreachable."""
        await self._database.ping()
        lags = {str(replica): float(lag) for replica, lag in await self._ask(REPLICAS)}
        store_sizes.show_lags(self._database.kind, lags)

    async def _uses(self) -> Sequence[tuple[Any, ...]]:
        if self._database.kind != "mysql":
            return await self._ask(USES[self._database.kind]) if self._database.kind in USES else ()
        for variable in COUNTERS:
            if (found := await self._ask(f"SELECT @@{variable}")) and found[0][0]:
                return await self._ask(USES[variable])
        return ()

    async def _ask(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """Return the rows; none if the user may not ask, or the engine has no such table."""
        try:
            async with self._database.pool.lend(1.0) as lent:
                return [tuple(row) for row in await lent.connection.execute(text(statement))]
        except DBAPIError:
            return ()
