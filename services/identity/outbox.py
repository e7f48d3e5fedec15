"""What others must know of a change: written with it, told after it, and told again until they have confirmed it."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Counter, Gauge
from sqlalchemy import delete, func, insert, select, update

from runtime import failpoints
from runtime.clock import Clock, utc_now
from runtime.errors import RefusedError, ServiceError
from services.identity import schema
from services.identity.database import Database, Transaction

logger = logging.getLogger(__name__)
outbox = schema.outbox
INVALIDATIONS = "cache.invalidate"
KEY_LENGTH = 255
BATCH = 100
MAX_REFUSALS = 5
PARKED = "parked:"
"""What the topic of a dead letter begins with: there no relay looks for work, and the index finds them all."""

unconfirmed = Counter("trivet_invalidations_unconfirmed_total", "Invalidations left to the relay by their call.")
lag = Gauge("trivet_outbox_lag_seconds", "Age of the oldest row that waits to be confirmed.")
parked = Gauge("trivet_outbox_parked", "Rows that were refused too often: they want a person.")


Invalidate = Callable[[Sequence[str]], Awaitable[bool]]
"""Drops what caches made of the tags; returns whether all of them have confirmed.

Raises ServiceError when the cache cannot be reached, RefusedError when it will never take these tags.
"""


@dataclass(frozen=True, slots=True)
class Note:
    """One row that waits: what it is about, and what its topic's receiver is to be told."""

    id: int
    key: str
    payload: str
    created_at: datetime


Deliver = Callable[[Sequence[Note]], Awaitable[None]]
"""Tells a receiver; it has confirmed all of the notes when this returns. It may be told any of them twice.

Raises ServiceError when the receiver cannot be reached, RefusedError when it will never take one of the notes.
"""


@dataclass(slots=True)
class Invalidation:
    """Tags that are invalidated after their transaction; `confirmed` once every cache has said so.

    When the transaction's call goes on, that is so or is left to the relay: see `Database.transaction`.
    """

    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told of a topic. `at_once`: also straight after the commit, which no answer waits for."""

    deliver: Deliver
    batch: int = 1
    at_once: bool = False


class Outbox:
    """Notes to others, at least once each, by topic.

    A change adds one in its own transaction. An invalidation is sent after the commit from a task of the service's
    own, which neither the call's cancel nor its deadline reaches; confirmed, its row is removed. `relay` sends what is
    left, oldest first; a topic whose receiver is away does not hold up the others.
    """

    def __init__(
        self,
        database: Database,
        invalidate: Invalidate,
        receivers: Mapping[str, Receiver] | None = None,
        *,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._invalidate = invalidate
        self._receivers = {INVALIDATIONS: Receiver(self._invalidate_all), **(receivers or {})}
        self._now = now

    async def add(self, transaction: Transaction, *tags: str) -> Invalidation:
        """Have the tags invalidated after the transaction, whatever becomes of the call or this process."""
        note = await self._insert(transaction, INVALIDATIONS, tags[0], json.dumps({"tags": tags}))
        invalidation = Invalidation()
        transaction.then(lambda: self._invalidate_now(note.id, tags, invalidation))
        return invalidation

    async def put(self, transaction: Transaction, topic: str, key: str, payload: str) -> None:
        """Have a topic's receiver told after the transaction. The payload holds no secret that is not sealed."""
        note = await self._insert(transaction, topic, key, payload)
        receiver = self._receivers.get(topic)
        if receiver is not None and receiver.at_once:

            async def send() -> None:
                self._database.tasks.start(self._send_now(topic, note))

            transaction.then(send)

    async def _insert(self, transaction: Transaction, topic: str, key: str, payload: str) -> Note:
        now = self._now()
        row = await transaction.execute(
            insert(outbox).values(
                created_at=now, updated_at=now, topic=topic, key=key[:KEY_LENGTH], payload=payload, attempts=0
            )
        )
        assert row.inserted_primary_key is not None
        return Note(int(row.inserted_primary_key[0]), key, payload, now)

    async def _invalidate_now(self, row_id: int, tags: Sequence[str], invalidation: Invalidation) -> None:
        try:
            if not await self._invalidate(tags):
                unconfirmed.inc()
                return
        except (ServiceError, RefusedError):
            unconfirmed.inc()
            return
        invalidation.confirmed = True
        await failpoints.reach("identity.after_invalidation")
        # The caller need not wait for this: a row that stays is only sent once more.
        self._database.tasks.start(self._remove([row_id]))

    async def _send_now(self, topic: str, note: Note) -> None:
        try:
            await self._receivers[topic].deliver([note])
            await failpoints.reach("identity.after_delivery")
            await self._remove([note.id])
        except (ServiceError, RefusedError):
            logger.debug("a note of %s is left to the relay", topic)

    async def relay(self, *, older_than: timedelta = timedelta()) -> int:
        """Send the oldest rows that are still there; return how many were confirmed.

        Two relays at once send some twice, which harms nobody. Raises ServiceError when a receiver or the database is
        gone, after all others were told; rows that are refused MAX_REFUSALS times are parked, so the others go on.
        """
        confirmed, oldest, failure = 0, self._now(), None
        for topic, receiver in self._receivers.items():
            notes = await self._waiting(topic, older_than)
            oldest = min([oldest, *(note.created_at for note in notes[:1])])
            try:
                confirmed += await self._deliver_all(topic, receiver, notes)
            except ServiceError as error:
                failure = error
        lag.set((self._now() - oldest).total_seconds())
        await self._count_parked()
        if failure is not None:
            raise failure
        return confirmed

    async def _waiting(self, topic: str, older_than: timedelta) -> list[Note]:
        rows = await self._database.rows(
            "outbox.oldest",
            select(outbox.c.id, outbox.c.key, outbox.c.payload, outbox.c.created_at)
            .where(outbox.c.topic == topic, outbox.c.created_at <= self._now() - older_than)
            .order_by(outbox.c.id)
            .limit(BATCH),
        )
        return [Note(row.id, row.key, row.payload, row.created_at) for row in rows]

    async def _deliver_all(self, topic: str, receiver: Receiver, notes: Sequence[Note]) -> int:
        confirmed = 0
        for first in range(0, len(notes), receiver.batch):
            batch = notes[first : first + receiver.batch]
            try:
                confirmed += await self._deliver(topic, receiver, batch)
            except RefusedError:  # by one of them: the others are not to blame
                for note in batch:
                    confirmed += await self._deliver_alone(topic, receiver, note)
        return confirmed

    async def _deliver_alone(self, topic: str, receiver: Receiver, note: Note) -> int:
        try:
            return await self._deliver(topic, receiver, [note])
        except RefusedError as error:
            logger.error("a note of %s was refused: outbox row %d: %s", topic, note.id, error)
            await self._note_refusal(topic, note.id)
            return 0

    async def _deliver(self, topic: str, receiver: Receiver, notes: Sequence[Note]) -> int:
        try:
            await receiver.deliver(notes)
        except _UnconfirmedError:
            return 0
        await failpoints.reach("identity.after_delivery")
        await self._remove([note.id for note in notes])
        return len(notes)

    async def _invalidate_all(self, notes: Sequence[Note]) -> None:
        for note in notes:
            if not await self._invalidate(_tags(note.payload)):
                raise _UnconfirmedError

    async def _remove(self, row_ids: Sequence[int]) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.execute(delete(outbox).where(outbox.c.id.in_(row_ids)))

        await self._database.transaction("outbox.remove", work)

    async def _note_refusal(self, topic: str, row_id: int) -> None:
        this = update(outbox).where(outbox.c.id == row_id, outbox.c.topic == topic)  # not one that is parked meanwhile

        async def work(transaction: Transaction) -> None:
            await transaction.execute(this.values(attempts=outbox.c.attempts + 1, updated_at=self._now()))
            await transaction.execute(this.where(outbox.c.attempts >= MAX_REFUSALS).values(topic=PARKED + topic))

        await self._database.transaction("outbox.refused", work)

    async def _count_parked(self) -> None:
        is_parked = outbox.c.topic.between(PARKED, PARKED + "\x7f")  # above every topic's letters
        statement = select(func.count()).select_from(outbox).where(is_parked)
        row = await self._database.row("outbox.parked", statement)
        parked.set(row[0] if row else 0)


class _UnconfirmedError(Exception):
    """Somebody has not confirmed yet: the note stays for the next time."""


def _tags(payload: str) -> list[str]:
    try:
        return [str(tag) for tag in json.loads(payload)["tags"]]
    except (ValueError, KeyError, TypeError):
        raise RefusedError("its payload is not one of ours") from None
