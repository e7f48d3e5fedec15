"""Opens the engine of each kind of database, with its driver and time-outs."""

import logging
import time
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from services.identity.store.engine import pooler
from services.identity.store.engine.store_url import StoreUrl

SQLITE_STEPS = 20_000


class _AsDebug(logging.Filter):
    """Logs a driver's records as DEBUG: they are a server's warnings about successful statements."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


_AS_DEBUG = _AsDebug()


@dataclass(frozen=True)
class StoreLimits:
    """The limits of connections and times, in seconds. All times are below a caller's usual deadline of 2 s."""

    connections: int = 10
    idle_seconds: float = 60.0
    connect_seconds: float = 1.0
    pool_seconds: float = 1.0
    turn_seconds: float = 1.8
    statement_seconds: float = 1.2
    attempt_seconds: float = 1.5
    lock_seconds: float = 1.1
    slow_seconds: float = 0.0
    """A statement that takes longer is logged with its plan. 0 logs none."""


def open_engine(store: StoreUrl, limits: StoreLimits) -> AsyncEngine:
    """Return an engine that connects at its first use.

    Connections are in autocommit mode, so a single statement costs one round trip. `Database` sends BEGIN and COMMIT
    around a transaction.
    """
    url, arguments = store.for_service()
    if store.kind == "postgresql":
        url = url.set(drivername=pooler.DRIVER)
    engine = create_async_engine(
        url,
        connect_args=arguments | _driver_limits(store, limits),
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        hide_parameters=True,
        poolclass=NullPool,  # `ConnectionPool` pools them
    )
    if store.parameters.is_pooled:
        engine.sync_engine.dialect.is_pooled = True  # type: ignore[attr-defined]  # PooledDialect's
    event.listen(engine.sync_engine, "connect", _session_setup(store.kind, limits))
    if store.kind == "sqlite":
        _end_long_statements(engine, limits.statement_seconds)
    if store.kind == "mysql":
        logging.getLogger("asyncmy").addFilter(_AS_DEBUG)
    return engine


def _driver_limits(store: StoreUrl, limits: StoreLimits) -> dict[str, Any]:
    if store.kind == "mysql":
        # No read_timeout: `ConnectionPool` limits an attempt, and the driver would start a task for every read.
        return {"connect_timeout": limits.connect_seconds, "charset": "utf8mb4"}
    if store.kind == "postgresql":
        milliseconds = str(int(limits.statement_seconds * 1000))
        return {
            "timeout": limits.connect_seconds,
            "command_timeout": limits.attempt_seconds,
            "server_settings": {
                "application_name": "trivet-identity",
                "timezone": "UTC",
                "jit": "off",
                "statement_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
                # Above 1 s, after which PostgreSQL looks for a deadlock: otherwise both transactions would fail.
                "lock_timeout": str(int(limits.lock_seconds * 1000)),
                **store.session_settings,
            },
        }
    return {"timeout": limits.lock_seconds}


def _session_setup(kind: str, limits: StoreLimits) -> Any:
    """Return a listener that sets up every new connection."""

    def setup(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for statement in _setup_statements(kind, limits, cursor):
            cursor.execute(statement)
        cursor.close()

    return setup


def _setup_statements(kind: str, limits: StoreLimits, cursor: Any) -> list[str]:
    if kind == "sqlite":
        # FULL: an acknowledged commit also survives a power failure.
        return ["PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"]
    if kind == "postgresql":
        return []
    cursor.execute("SELECT VERSION()")
    milliseconds = int(limits.statement_seconds * 1000)
    own = {
        "mariadb": f"max_statement_time={limits.statement_seconds}",  # every statement, in seconds
        "mysql": f"max_execution_time={milliseconds}",  # only reads, in milliseconds
        # A cluster can default to optimistic transactions, which take no locks and check keys at COMMIT.
        "tidb": f"max_execution_time={milliseconds}, tidb_txn_mode='pessimistic'",
    }[server_of(cursor.fetchone()[0])]
    return [
        f"SET SESSION {own}, innodb_lock_wait_timeout={max(1, int(limits.lock_seconds))}, time_zone='+00:00', "
        "sql_mode='STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    ]


def server_of(version: str) -> Literal["mariadb", "mysql", "tidb"]:
    """Return which server a version string of MySQL's protocol belongs to."""
    lower = version.lower()
    return "mariadb" if "mariadb" in lower else "tidb" if "tidb" in lower else "mysql"


def _end_long_statements(engine: AsyncEngine, seconds: float) -> None:
    """Add a statement time-out to SQLite: it calls `is_late` every SQLITE_STEPS steps."""

    def connected(connection: Any, record: Any) -> None:
        def is_late() -> bool:
            late_at: float = record.info.get("late_at", float("inf"))
            return time.monotonic() > late_at

        connection.run_async(lambda raw: raw.set_progress_handler(is_late, SQLITE_STEPS))

    def began(connection: Any, *_: Any) -> None:
        connection.info["late_at"] = time.monotonic() + seconds

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "before_cursor_execute", began)
