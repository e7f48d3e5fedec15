"""Removing what has expired, a little at a time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Column, delete, select

from runtime.clock import Clock, utc_now
from services.identity.store.database import Database, Transaction
from services.identity.store.schema import schema

BATCH = 500
BATCHES = 40
"""How many full batches of a table one sweep removes at most: 20,000 rows a minute, if it comes once a minute."""
EVENTS_KEPT = timedelta(days=30)
"""Stripe sends an event again for three days at most; by then nobody asks whether it was applied."""

removed = Counter("trivet_expired_rows_removed_total", "Rows removed after their time.", ["table"])


@dataclass(frozen=True)
class Swept:
    """A column that has an index of its own, and how long ago it must lie for its row to go."""

    by: Column[datetime]
    kept: timedelta = timedelta()


SWEPT = (
    Swept(schema.sessions.c.expires_at),
    Swept(schema.verifications.c.expires_at),
    Swept(schema.requests.c.expires_at),
    Swept(schema.stripe_events.c.applied_at, EVENTS_KEPT),  # one that was not applied stays: it is null there
)


class Sweeper:
    """Removes expired sessions, verifications and requests, and events of Stripe's that were applied long ago.

    Whoever reads the first three looks at the time as well.
    """

    def __init__(self, database: Database, *, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now

    async def sweep(self) -> int:
        """Remove what is over, up to BATCHES of BATCH rows of each table; return how many rows went.

        Each batch is a transaction of its own, so nobody waits for more than one. Two sweepers at once share the rows.
        """
        return sum([await self._sweep_all(swept) for swept in SWEPT])

    async def _sweep_all(self, swept: Swept) -> int:
        total = 0
        for _ in range(BATCHES):
            seen, gone = await self._sweep(swept)
            total += gone
            if seen < BATCH:
                break
        return total

    async def _sweep(self, swept: Swept) -> tuple[int, int]:
        """Remove a batch; return how many rows were found, and how many were still there to be removed."""
        table: Any = swept.by.table
        is_over = swept.by <= self._now() - swept.kept

        async def work(transaction: Transaction) -> tuple[int, int]:
            # MySQL takes no LIMIT in a subquery; and ids let the delete lock just these rows.
            over = select(table.c.id).where(is_over).order_by(swept.by).limit(BATCH)
            ids = (await transaction.execute(over)).scalars().all()
            if not ids:
                return 0, 0
            gone = await transaction.execute(delete(table).where(table.c.id.in_(ids), is_over))
            return len(ids), gone.rowcount

        seen, gone = await self._database.transaction(f"{table.name}.sweep", work)
        removed.labels(table.name).inc(gone)
        return seen, gone
