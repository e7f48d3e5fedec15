"""PostgreSQL behind PgBouncer or another pooler in transaction mode: the server changes between two transactions.

There, a named prepared statement is missing at random, a session's settings are those of other clients, and even an
unnamed statement that is sent in two steps can end on another server. So behind a pooler every connection is lent out
within a transaction, no statement is kept, and the settings are the transaction's own.
"""

from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

DRIVER = "postgresql+pooled"
registry.register("postgresql.pooled", "services.identity.store.engine.pooled_dialect", "PooledDialect")


def is_pooled(connection: AsyncConnection) -> bool:
    """Whether this connection is lent out within a transaction."""
    return bool(getattr(connection.dialect, "is_pooled", False))


async def enter(connection: AsyncConnection) -> None:
    """Begin the transaction that everything on a connection behind a pooler is in."""
    await _run(connection, connection.dialect.begin)  # type: ignore[attr-defined]  # PooledDialect's


async def leave(connection: AsyncConnection, end: str = "COMMIT") -> None:
    """End that transaction, unless the work did."""
    if (await _driver(connection)).is_in_transaction():
        await _run(connection, end)


async def _run(connection: AsyncConnection, statements: str) -> None:
    """Send statements in one message, unprepared. Errors are SQLAlchemy's, as for any other statement."""
    driver = await _driver(connection)
    try:
        await driver.execute(statements)
    except Exception as error:
        if driver.is_closed():
            await connection.invalidate(error)
        raise OperationalError(statements, None, error, connection_invalidated=driver.is_closed()) from error


async def _driver(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection
