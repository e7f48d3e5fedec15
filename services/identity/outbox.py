"""What others must know of a change: written with it, told after it, and told again until they have confirmed it."""

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from prometheus_client import Counter, Gauge
from sqlalchemy import delete, func, insert, select, update

from runtime import failpoints
from runtime.clock import Clock, utc_now
from runtime.errors import ServiceError
from services.identity import schema
from services.identity.database import Database, Transaction

logger = logging.getLogger(__name__)
outbox = schema.outbox
TOPIC = "cache.invalidate"
KEY_LENGTH = 255
BATCH = 100
MAX_REFUSALS = 5

unconfirmed = Counter("trivet_invalidations_unconfirmed_total", "Invalidations left to the relay by their call.")
lag = Gauge("trivet_outbox_lag_seconds", "Age of the oldest row that waits to be confirmed.")
parked = Gauge("trivet_outbox_parked", "Rows that were refused too often: they want a person.")


class RefusedError(Exception):
    """The receiver says that what was sent can never be right."""


Invalidate = Callable[[Sequence[str]], Awaitable[bool]]
"""Drops what caches made of the tags; returns whether all of them have confirmed.

Raises ServiceError when the cache cannot be reached, RefusedError when it will never take these tags.
"""


class Outbox:
    """Invalidations of other people's caches, at least once each.

    A change adds one in its own transaction. After the commit it is sent from a task of the service's own, which
    neither the call's cancel nor its deadline reaches; confirmed, its row is removed. `relay` sends what is left.
    """

    def __init__(self, database: Database, invalidate: Invalidate, *, now: Clock = utc_now) -> None:
        self._database = database
        self._invalidate = invalidate
        self._now = now

    async def add(self, transaction: Transaction, *tags: str) -> None:
        """Have the tags invalidated after the transaction, whatever becomes of the call or this process."""
        now = self._now()
        row = await transaction.execute(
            insert(outbox).values(
                created_at=now,
                updated_at=now,
                topic=TOPIC,
                key=tags[0][:KEY_LENGTH],
                payload=json.dumps({"tags": tags}),
                attempts=0,
            )
        )
        assert row.inserted_primary_key is not None
        row_id = int(row.inserted_primary_key[0])
        transaction.then(lambda: self._send_now(row_id, tags))

    async def _send_now(self, row_id: int, tags: Sequence[str]) -> None:
        try:
            if not await self._invalidate(tags):
                unconfirmed.inc()
                return
        except (ServiceError, RefusedError):
            unconfirmed.inc()
            return
        await failpoints.reach("identity.after_invalidation")
        # The caller need not wait for this: a row that stays is only sent once more.
        self._database.tasks.start(self._remove(row_id))

    async def relay(self, *, older_than: timedelta = timedelta()) -> int:
        """Send the oldest rows that are still there; return how many were confirmed.

        Two relays at once send some twice, which harms nobody. Raises ServiceError when the cache or the database is
        gone; rows that the cache refuses MAX_REFUSALS times are parked, so the others go on.
        """
        rows = await self._database.rows(
            "outbox.oldest",
            select(outbox.c.id, outbox.c.payload, outbox.c.created_at)
            .where(outbox.c.attempts < MAX_REFUSALS, outbox.c.created_at <= self._now() - older_than)
            .order_by(outbox.c.id)
            .limit(BATCH),
        )
        lag.set((self._now() - rows[0].created_at).total_seconds() if rows else 0)
        confirmed = 0
        for row in rows:
            confirmed += await self._send_again(row.id, row.payload)
        await self._count_parked()
        return confirmed

    async def _send_again(self, row_id: int, payload: str) -> bool:
        try:
            if not await self._invalidate(_tags(payload)):
                return False
        except RefusedError:
            logger.error("an invalidation was refused: outbox row %d", row_id)
            await self._note_refusal(row_id)
            return False
        await self._remove(row_id)
        return True

    async def _remove(self, row_id: int) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.execute(delete(outbox).where(outbox.c.id == row_id))

        await self._database.transaction("outbox.remove", work)

    async def _note_refusal(self, row_id: int) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.execute(
                update(outbox)
                .where(outbox.c.id == row_id)
                .values(attempts=outbox.c.attempts + 1, updated_at=self._now())
            )

        await self._database.transaction("outbox.refused", work)

    async def _count_parked(self) -> None:
        statement = select(func.count()).select_from(outbox).where(outbox.c.attempts >= MAX_REFUSALS)
        row = await self._database.row("outbox.parked", statement)
        parked.set(row[0] if row else 0)


def _tags(payload: str) -> list[str]:
    try:
        return [str(tag) for tag in json.loads(payload)["tags"]]
    except (ValueError, KeyError, TypeError):
        raise RefusedError from None
