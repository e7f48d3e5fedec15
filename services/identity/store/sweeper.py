"""Deletes expired rows in bounded batches."""

from prometheus_client import Counter
from sqlalchemy import MetaData, Table, delete, select

from runtime.clock import Clock, utc_now
from services.identity.store.database import Database, Transaction
from services.identity.store.schema.table import Expiry

BATCH = 500
BATCHES = 40
"""The most batches of a table in one sweep: 20,000 rows a minute if the sweep runs once a minute."""

removed = Counter("trivet_expired_rows_removed_total", "Expired rows that were deleted.", ["table"])


class Sweeper:
    """Deletes expired rows of the tables that declare an `Expiry`.

    A reader of such a table must check the time itself: a row stays for a while after it has expired.
    """

    def __init__(self, database: Database, metadata: MetaData, *, now: Clock = utc_now) -> None:
        self._database = database
        self._tables = [each for each in metadata.sorted_tables if Expiry in each.info]
        self._now = now

    async def sweep(self) -> int:
        """Delete expired rows, up to BATCHES of BATCH rows of each table; return how many were deleted.

        Each batch is a transaction of its own, so no other transaction waits longer than for one batch. Two sweepers
        at once share the rows.
        """
        return sum([await self._sweep_all(table) for table in self._tables])

    async def _sweep_all(self, table: Table) -> int:
        total = 0
        for _ in range(BATCHES):
            seen, gone = await self._sweep(table)
            total += gone
            if seen < BATCH:
                break
        return total

    async def _sweep(self, table: Table) -> tuple[int, int]:
        """Delete one batch; return how many expired rows were found, and how many of them this call deleted."""
        expiry: Expiry = table.info[Expiry]
        time = table.c[expiry.column]
        is_over = time <= self._now() - expiry.kept

        async def work(transaction: Transaction) -> tuple[int, int]:
            # MySQL allows no LIMIT in a subquery. With ids, the DELETE locks these rows only.
            over = select(table.c.id).where(is_over).order_by(time).limit(BATCH)
            ids = (await transaction.execute(over)).scalars().all()
            if not ids:
                return 0, 0
            gone = await transaction.execute(delete(table).where(table.c.id.in_(ids), is_over))
            return len(ids), gone.rowcount

        seen, gone = await self._database.transaction(f"{table.name}.sweep", work)
        removed.labels(table.name).inc(gone)
        return seen, gone
