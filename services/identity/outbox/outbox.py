"""What other services must know of a change: written with it, delivered after it, and again until it is confirmed."""

import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from prometheus_client import Counter, Gauge
from sqlalchemy import bindparam, delete, insert, select, update

from runtime import failpoints
from runtime.background.backoff import RetryPolicy
from runtime.background.tasks import TooManyTasksError
from runtime.clock import Clock, utc_now
from runtime.errors import DeliveryRejectedError, ServiceError, Unavailable
from services.identity.outbox.tables import outbox
from services.identity.store.compiled_writes import StaticInsert
from services.identity.store.database import Database, Transaction

logger = logging.getLogger(__name__)
WRITTEN = ("topic", "key", "payload", "attempts", "created_at", "updated_at", "next_attempt_at")
INSERT = StaticInsert(
    insert(outbox).values({name: bindparam(f"new_{name}", type_=outbox.c[name].type) for name in WRITTEN})
)
INVALIDATIONS = "cache.invalidate"
KEY_LENGTH = 255
CAUSE_LENGTH = 255
BATCH = 100
RETRY_POLICY = RetryPolicy(attempts=24, first=timedelta(seconds=2), longest=timedelta(hours=1))
"""How often a note that is refused is sent: its pauses grow to an hour, and add up to some 7 to 13 hours."""
PARKED = "parked:"
"""What the topic of a dead letter begins with: no relay reads there, and the index finds them all."""

unconfirmed = Counter("trivet_invalidations_unconfirmed_total", "Invalidations left to the relay by their call.")
lag = Gauge("trivet_outbox_lag_seconds", "How long the oldest note that is due has waited for its receiver.", ["topic"])
refused = Counter("trivet_outbox_refused_total", "Attempts to deliver a note that its receiver refused.", ["topic"])


Invalidate = Callable[[Sequence[str]], Awaitable[bool]]
"""Drops what caches made of the tags; returns whether all of them have confirmed.

Raises Unavailable when the cache cannot be reached, DeliveryRejectedError when it does not take these tags.
"""


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One row that waits: what it is about, what its receiver is sent, how often it was refused, when it was due."""

    id: int
    key: str
    payload: str
    created_at: datetime
    attempts: int = 0
    due_at: datetime | None = None


Deliver = Callable[[Sequence[OutboxMessage]], Awaitable[None]]
"""Sends notes to a receiver, which has confirmed all of them when this returns. It can be sent any of them twice.

Raises Unavailable when the receiver cannot be reached, DeliveryRejectedError when it does not take one of the notes.
"""


@dataclass(slots=True)
class Invalidation:
    """Tags that are invalidated after their transaction; `confirmed` once every cache has said so.

    When the transaction's call goes on, that is so or is left to the relay: see `Database.transaction`.
    """

    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Where a topic's notes go. `at_once`: also straight after the commit, which no answer waits for."""

    deliver: Deliver
    batch: int = 1
    at_once: bool = False


class Outbox:
    """Notes to other services, delivered at least once each, by topic and in no fixed order.

    A change adds one in its own transaction. An invalidation is sent after the commit from a task of the service's
    own, which neither the call's cancel nor its deadline reaches; once it is confirmed, its row is removed. `relay`
    sends what is left, the longest due first. A receiver that is away holds up its own topic alone, and a note that it
    cannot answer holds up no other. A note that is refused holds up nothing: it is sent again after growing pauses, and
    parked after the last of them.
    """

    def __init__(
        self,
        database: Database,
        invalidate: Invalidate,
        subscribers: Mapping[str, Subscriber] | None = None,
        *,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._invalidate = invalidate
        self._subscribers = {INVALIDATIONS: Subscriber(self._invalidate_all), **(subscribers or {})}
        self._now = now
        self._suspects: dict[str, list[int]] = {}
        self._refused: set[str] = set()
        self._causes: dict[str, str] = {}

    @property
    def topics(self) -> Sequence[str]:
        """The topics that have a receiver."""
        return tuple(self._subscribers)

    async def add(self, transaction: Transaction, *tags: str) -> Invalidation:
        """Have the tags invalidated after the transaction, whatever becomes of the call or this process."""
        note = await self._insert(transaction, INVALIDATIONS, tags[0], json.dumps({"tags": tags}))
        invalidation = Invalidation()
        transaction.then(lambda: self._invalidate_now(note.id, tags, invalidation))
        return invalidation

    async def put(self, transaction: Transaction, topic: str, key: str, payload: str) -> None:
        """Have a note delivered to its topic's receiver after the transaction. Secrets in the payload are sealed."""
        note = await self._insert(transaction, topic, key, payload)
        receiver = self._subscribers.get(topic)
        if receiver is not None and receiver.at_once:

            async def send() -> None:
                with contextlib.suppress(TooManyTasksError):  # then the relay sends it
                    self._database.tasks.start(self._send_now(topic, receiver, note))

            transaction.then(send)

    async def _insert(self, transaction: Transaction, topic: str, key: str, payload: str) -> OutboxMessage:
        now = self._now()
        row = {"new_topic": topic, "new_key": key[:KEY_LENGTH], "new_payload": payload, "new_attempts": 0}
        times = {"new_created_at": now, "new_updated_at": now, "new_next_attempt_at": now}
        written = await transaction.write(INSERT, row | times)
        return OutboxMessage(written.key, key, payload, now)

    async def _invalidate_now(self, row_id: int, tags: Sequence[str], invalidation: Invalidation) -> None:
        try:
            if not await self._invalidate(tags):
                unconfirmed.inc()
                return
        except (ServiceError, DeliveryRejectedError):
            unconfirmed.inc()
            return
        invalidation.confirmed = True
        await failpoints.reach("identity.after_invalidation")
        # The caller need not wait for this: a row that stays is only sent once more.
        with contextlib.suppress(TooManyTasksError):
            self._database.tasks.start(self._remove([row_id]))

    async def _send_now(self, topic: str, receiver: Subscriber, note: OutboxMessage) -> None:
        try:
            await self._deliver(topic, receiver, [note])
        except (ServiceError, DeliveryRejectedError):
            logger.debug("a note of %s is left to the relay", topic)

    async def relay(self, *topics: str, older_than: timedelta = timedelta()) -> int:
        """Send the due notes of these topics, or of all; return how many were confirmed.

        Two relays at once send some twice, which does no harm. Raises Unavailable when a receiver or the database is
        away, after the other topics had their turn.
        """
        confirmed, failure = 0, None
        for topic in topics or self.topics:
            try:
                confirmed += await self._relay(topic, older_than)
            except ServiceError as error:
                failure = error
        if failure is not None:
            raise failure
        return confirmed

    async def _relay(self, topic: str, older_than: timedelta) -> int:
        notes = await self._due(topic, older_than)
        lag.labels(topic).set((self._now() - (notes[0].due_at or self._now())).total_seconds() if notes else 0)
        # Notes with which the receiver seemed to be away are sent after the others, one by one, the one tried last at
        # the end: a note that it cannot answer in time, or that ends its process, holds no other.
        due = {note.id: note for note in notes}
        suspects = self._suspects[topic] = [each for each in self._suspects.get(topic, ()) if each in due]
        receiver, fresh = self._subscribers[topic], [note for note in notes if note.id not in suspects]
        self._refused.discard(topic)
        confirmed = await self._deliver_all(topic, receiver, fresh)
        confirmed += await self._deliver_all(topic, replace(receiver, batch=1), [due[each] for each in suspects])
        if confirmed and topic not in self._refused:
            self._causes.pop(topic, None)
        return confirmed

    async def _due(self, topic: str, older_than: timedelta) -> list[OutboxMessage]:
        columns = [outbox.c[name] for name in ("id", "key", "payload", "created_at", "attempts", "next_attempt_at")]
        rows = await self._database.rows(
            "outbox.due",
            select(*columns)
            .where(outbox.c.topic == topic, outbox.c.next_attempt_at <= self._now() - older_than)
            .order_by(outbox.c.next_attempt_at, outbox.c.id)
            .limit(BATCH),
        )
        # A row of a process before this column was there has been due since it was made.
        return [
            OutboxMessage(
                row.id, row.key, row.payload, row.created_at, row.attempts, max(row.created_at, row.next_attempt_at)
            )
            for row in rows
        ]

    async def _deliver_all(self, topic: str, receiver: Subscriber, notes: Sequence[OutboxMessage]) -> int:
        confirmed = 0
        for first in range(0, len(notes), receiver.batch):
            batch = notes[first : first + receiver.batch]
            tried = [note.id for note in batch]
            others = [each for each in self._suspects[topic] if each not in tried]
            self._suspects[topic] = others
            try:
                confirmed += await self._deliver(topic, receiver, batch)
            except DeliveryRejectedError as error:
                if len(batch) == 1:
                    await self._put_off(topic, batch[0], error)
                else:  # one of them is refused: the others are not to blame
                    confirmed += await self._deliver_all(topic, replace(receiver, batch=1), batch)
            except Unavailable:
                self._suspects[topic] = others + tried
                raise
        return confirmed

    async def _deliver(self, topic: str, receiver: Subscriber, notes: Sequence[OutboxMessage]) -> int:
        """Send notes and remove them; return how many were confirmed. Raises Unavailable and DeliveryRejectedError."""
        try:
            await receiver.deliver(notes)
        except _UnconfirmedError:
            return 0
        except (Unavailable, DeliveryRejectedError):
            raise
        except Exception as error:  # a mistake of ours must not stop the topic
            raise _UnexpectedError(f"unexpected: {type(error).__name__}") from error
        await failpoints.reach("identity.after_delivery")
        await self._remove([note.id for note in notes])
        return len(notes)

    async def _invalidate_all(self, notes: Sequence[OutboxMessage]) -> None:
        for note in notes:
            if not await self._invalidate(_tags(note.payload)):
                raise _UnconfirmedError

    async def _remove(self, row_ids: Sequence[int]) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.execute(delete(outbox).where(outbox.c.id.in_(row_ids)))

        await self._database.transaction("outbox.remove", work)

    async def _put_off(self, topic: str, note: OutboxMessage, error: DeliveryRejectedError) -> None:
        refused.labels(topic).inc()
        self._refused.add(topic)
        attempts, now = note.attempts + 1, self._now()
        is_last = attempts >= RETRY_POLICY.attempts
        values = {
            "topic": PARKED + topic if is_last else topic,
            "attempts": attempts,
            "next_attempt_at": now + RETRY_POLICY.pause(attempts),
            "last_error": str(error)[:CAUSE_LENGTH],
            "updated_at": now,
        }
        # Of two relays that were refused at once, one counts.
        same = (outbox.c.id == note.id, outbox.c.topic == topic, outbox.c.attempts == note.attempts)

        async def work(transaction: Transaction) -> None:
            await transaction.execute(update(outbox).where(*same).values(**values))

        await self._database.transaction("outbox.put_off", work)
        self._tell(topic, note, error, is_parked=is_last)

    def _tell(self, topic: str, note: OutboxMessage, error: DeliveryRejectedError, *, is_parked: bool) -> None:
        if is_parked:
            event = "outbox note %d of %s is parked after its last attempt: %s: see `trivet outbox list --parked`"
            logger.error(event, note.id, topic, error)
        elif self._causes.get(topic) != str(error):  # once, however many notes it concerns
            self._causes[topic] = str(error)
            event = "outbox note %d of %s is refused and sent again later: %s: see `trivet outbox list`"
            logger.error(
                event, note.id, topic, error, exc_info=error.__cause__ if isinstance(error, _UnexpectedError) else None
            )


class _UnexpectedError(DeliveryRejectedError):
    """Delivering failed by a mistake of ours, which is logged with its traceback."""


class _UnconfirmedError(Exception):
    """A cache has not confirmed yet: the note stays for the next time."""


def _tags(payload: str) -> list[str]:
    try:
        return [str(tag) for tag in json.loads(payload)["tags"]]
    except (ValueError, KeyError, TypeError):
        raise DeliveryRejectedError("its payload cannot be read") from None
