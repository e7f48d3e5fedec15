"""Removing what has expired, a little at a time."""

from prometheus_client import Counter
from sqlalchemy import Table, delete, select

from runtime.clock import Clock, utc_now
from services.identity import schema
from services.identity.database import Database, Transaction

SWEPT = (schema.sessions, schema.verifications, schema.requests)
BATCH = 500

removed = Counter("trivet_expired_rows_removed_total", "Rows removed after their time.", ["table"])


class Sweeper:
    """Removes expired sessions, verifications and requests. Whoever reads them looks at the time as well."""

    def __init__(self, database: Database, *, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now

    async def sweep(self) -> int:
        """Remove one batch of each table; return how many rows went."""
        return sum([await self._sweep(table) for table in SWEPT])

    async def _sweep(self, table: Table) -> int:
        now = self._now()

        async def work(transaction: Transaction) -> int:
            # MySQL takes no LIMIT in a subquery; and ids let the delete lock just these rows.
            expired = select(table.c.id).where(table.c.expires_at <= now).order_by(table.c.expires_at).limit(BATCH)
            ids = (await transaction.execute(expired)).scalars().all()
            if not ids:
                return 0
            gone = await transaction.execute(delete(table).where(table.c.id.in_(ids), table.c.expires_at <= now))
            return gone.rowcount

        count = await self._database.transaction(f"{table.name}.sweep", work)
        removed.labels(table.name).inc(count)
        return count
