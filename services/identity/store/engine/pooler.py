"""PostgreSQL behind PgBouncer or another pooler in transaction mode, where each transaction can get another server.

Behind a pooler, a named prepared statement can be missing, session settings come from other clients, and even an
unnamed statement that is sent in two steps can be split over two servers. So every connection is lent within a
transaction, no prepared statement is cached, and settings are set in the transaction.
"""

from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

DRIVER = "postgresql+pooled"
registry.register("postgresql.pooled", "services.identity.store.engine.pooled_dialect", "PooledDialect")


def is_pooled(connection: AsyncConnection) -> bool:
    """Whether this connection goes through a pooler."""
    return bool(getattr(connection.dialect, "is_pooled", False))


async def enter(connection: AsyncConnection) -> None:
    """Begin the transaction that contains all work on a lent connection behind a pooler."""
    await _run(connection, connection.dialect.begin)  # type: ignore[attr-defined]  # PooledDialect's


async def leave(connection: AsyncConnection, end: str = "COMMIT") -> None:
    """End this transaction, unless the work has ended it."""
    if (await _driver(connection)).is_in_transaction():
        await _run(connection, end)


async def _run(connection: AsyncConnection, statements: str) -> None:
    """Send statements in one message, unprepared. Raises SQLAlchemy's errors, as other statements do."""
    driver = await _driver(connection)
    try:
        await driver.execute(statements)
    except Exception as error:  # the errors of the drivers have no common base class
        if driver.is_closed():
            await connection.invalidate(error)
        raise OperationalError(statements, None, error, connection_invalidated=driver.is_closed()) from error


async def _driver(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection
