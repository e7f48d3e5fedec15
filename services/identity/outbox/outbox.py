"""The transactional outbox: messages to other services, stored with a change and retried until they are confirmed."""

import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from prometheus_client import Counter, Gauge
from sqlalchemy import bindparam, delete, insert, select, update

from runtime import failpoints
from runtime.background.backoff import RetryPolicy
from runtime.background.tasks import TooManyTasksError
from runtime.clock import Clock, utc_now
from runtime.errors import DeliveryRejectedError, ServiceError, Unavailable
from services.identity.outbox.delivery import Invalidate, Invalidation, OutboxMessage, Subscriber
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
"""How a rejected message is retried. The pauses grow to an hour and add up to some 7 to 13 hours."""
PARKED = "parked:"
"""The prefix of a dead letter's topic. No relay reads such a topic, and the index finds all of them."""

unconfirmed = Counter(
    "trivet_invalidations_unconfirmed_total", "Invalidations that were not confirmed at once and are left to the relay."
)
lag = Gauge("trivet_outbox_lag_seconds", "How many seconds the oldest due message has waited.", ["topic"])
refused = Counter("trivet_outbox_refused_total", "Attempts to deliver a message that its receiver rejected.", ["topic"])


class Outbox:
    """Messages to other services, by topic. Each is delivered at least once, in no fixed order.

    A change adds its messages in its own transaction. An invalidation is sent after the commit in a background task,
    which a cancel or the deadline of the call does not stop. A confirmed message is deleted. `relay` sends the rest,
    the longest due first. An unreachable receiver delays its own topic only. A rejected message delays no other: it is
    retried with a back-off, and parked as a dead letter after the last attempt.
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
        """The topics that have a subscriber."""
        return tuple(self._subscribers)

    async def add(self, transaction: Transaction, *tags: str) -> Invalidation:
        """Invalidate the tags after the transaction, even if the call is cancelled or this process ends."""
        message = await self._insert(transaction, INVALIDATIONS, tags[0], json.dumps({"tags": tags}))
        invalidation = Invalidation()
        transaction.then(lambda: self._invalidate_now(message.id, tags, invalidation))
        return invalidation

    async def put(self, transaction: Transaction, topic: str, key: str, payload: str) -> None:
        """Deliver a message to its topic's receiver after the transaction. The caller seals secrets in the payload."""
        message = await self._insert(transaction, topic, key, payload)
        subscriber = self._subscribers.get(topic)
        if subscriber is not None and subscriber.at_once:

            async def send() -> None:
                with contextlib.suppress(TooManyTasksError):  # the relay sends it
                    self._database.tasks.start(self._send_now(topic, subscriber, message))

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
        # In the background: if the row is not deleted, the relay sends it again.
        with contextlib.suppress(TooManyTasksError):
            self._database.tasks.start(self._remove([row_id]))

    async def _send_now(self, topic: str, subscriber: Subscriber, message: OutboxMessage) -> None:
        try:
            await self._deliver(topic, subscriber, [message])
        except (ServiceError, DeliveryRejectedError):
            logger.debug("a message of %s is left to the relay", topic)

    async def relay(self, *topics: str, older_than: timedelta = timedelta()) -> int:
        """Deliver the due messages of these topics, or of all topics; return how many were confirmed.

        `older_than` leaves out messages that became due later. Two concurrent relays deliver some messages twice,
        which is harmless. Raises Unavailable if a receiver or the database is unreachable, after the other topics were
        relayed.
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
        messages = await self._due(topic, older_than)
        lag.labels(topic).set((self._now() - (messages[0].due_at or self._now())).total_seconds() if messages else 0)
        # A message during which the receiver was unreachable is a suspect: it can exceed the receiver's time or end its
        # process. Suspects are sent last and one by one, so that they delay no other message.
        due = {message.id: message for message in messages}
        suspects = self._suspects[topic] = [each for each in self._suspects.get(topic, ()) if each in due]
        subscriber, fresh = self._subscribers[topic], [message for message in messages if message.id not in suspects]
        self._refused.discard(topic)
        confirmed = await self._deliver_all(topic, subscriber, fresh)
        confirmed += await self._deliver_all(topic, replace(subscriber, batch=1), [due[each] for each in suspects])
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
        # An older version writes no next_attempt_at: its rows are due since they were created.
        return [
            OutboxMessage(
                row.id, row.key, row.payload, row.created_at, row.attempts, max(row.created_at, row.next_attempt_at)
            )
            for row in rows
        ]

    async def _deliver_all(self, topic: str, subscriber: Subscriber, messages: Sequence[OutboxMessage]) -> int:
        confirmed = 0
        for first in range(0, len(messages), subscriber.batch):
            batch = messages[first : first + subscriber.batch]
            tried = [message.id for message in batch]
            others = [each for each in self._suspects[topic] if each not in tried]
            self._suspects[topic] = others
            try:
                confirmed += await self._deliver(topic, subscriber, batch)
            except DeliveryRejectedError as error:
                if len(batch) == 1:
                    await self._postpone(topic, batch[0], error)
                else:  # one of them is rejected: send each alone
                    confirmed += await self._deliver_all(topic, replace(subscriber, batch=1), batch)
            except Unavailable:
                self._suspects[topic] = others + tried
                raise
        return confirmed

    async def _deliver(self, topic: str, subscriber: Subscriber, messages: Sequence[OutboxMessage]) -> int:
        """Deliver messages and delete them; return how many. Raises Unavailable and DeliveryRejectedError."""
        try:
            await subscriber.deliver(messages)
        except _UnconfirmedError:
            return 0
        except (Unavailable, DeliveryRejectedError):
            raise
        except Exception as error:  # a bug must not stop the topic
            raise _UnexpectedError(f"unexpected: {type(error).__name__}") from error
        await failpoints.reach("identity.after_delivery")
        await self._remove([message.id for message in messages])
        return len(messages)

    async def _invalidate_all(self, messages: Sequence[OutboxMessage]) -> None:
        for message in messages:
            if not await self._invalidate(_tags(message.payload)):
                raise _UnconfirmedError

    async def _remove(self, row_ids: Sequence[int]) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.execute(delete(outbox).where(outbox.c.id.in_(row_ids)))

        await self._database.transaction("outbox.remove", work)

    async def _postpone(self, topic: str, message: OutboxMessage, error: DeliveryRejectedError) -> None:
        refused.labels(topic).inc()
        self._refused.add(topic)
        attempts, now = message.attempts + 1, self._now()
        is_last = attempts >= RETRY_POLICY.attempts
        values = {
            "topic": PARKED + topic if is_last else topic,
            "attempts": attempts,
            "next_attempt_at": now + RETRY_POLICY.pause(attempts),
            "last_error": str(error)[:CAUSE_LENGTH],
            "updated_at": now,
        }
        # Of two concurrent relays, one counts the attempt.
        same = (outbox.c.id == message.id, outbox.c.topic == topic, outbox.c.attempts == message.attempts)

        async def work(transaction: Transaction) -> None:
            await transaction.execute(update(outbox).where(*same).values(**values))

        await self._database.transaction("outbox.put_off", work)
        self._log_rejection(topic, message, error, is_parked=is_last)

    def _log_rejection(
        self, topic: str, message: OutboxMessage, error: DeliveryRejectedError, *, is_parked: bool
    ) -> None:
        if is_parked:
            event = "outbox message %d of %s is parked after its last attempt: %s: see `trivet outbox list --parked`"
            logger.error(event, message.id, topic, error)
        elif self._causes.get(topic) != str(error):  # once for all messages with this cause
            self._causes[topic] = str(error)
            event = "outbox message %d of %s is rejected and will be retried: %s: see `trivet outbox list`"
            logger.error(
                event,
                message.id,
                topic,
                error,
                exc_info=error.__cause__ if isinstance(error, _UnexpectedError) else None,
            )


class _UnexpectedError(DeliveryRejectedError):
    """The delivery failed because of a bug, which is logged with its traceback."""


class _UnconfirmedError(Exception):
    """A cache has not confirmed yet: the message stays for the next relay."""


def _tags(payload: str) -> list[str]:
    try:
        return [str(tag) for tag in json.loads(payload)["tags"]]
    except (ValueError, KeyError, TypeError):
        raise DeliveryRejectedError("its payload cannot be read") from None
