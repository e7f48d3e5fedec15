"""The outbox as operators see it: its messages that are due, retried later or parked."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from prometheus_client import Gauge
from sqlalchemy import ColumnElement, Delete, Row, Update, delete, func, or_, select, update

from runtime.clock import Clock, utc_now
from services.identity.outbox.audit import Audit, Event, EventKind
from services.identity.outbox.outbox import INVALIDATIONS, PARKED
from services.identity.outbox.tables import outbox
from services.identity.store.database import Database, Transaction

BATCH = 500
MOST_COUNTED = 10_000
DETAIL_LENGTH = 512
"""The maximum length of an audit event's detail. Longer lists of ids are cut."""
IS_PARKED = outbox.c.topic.between(PARKED, PARKED + "\x7f")  # above every topic's letters

parked = Gauge(
    "trivet_outbox_parked", "Messages whose attempts all failed: see `trivet outbox list --parked`.", ["topic"]
)
length = Gauge("trivet_outbox_length", "Messages that wait for delivery, up to 10,000.", ["topic"])


@dataclass(frozen=True, slots=True)
class BacklogEntry:
    """A message without its payload. `cause` is the reason of the last rejection, empty if there was none."""

    id: int
    topic: str
    key: str
    is_parked: bool
    attempts: int
    created_at: datetime
    next_attempt_at: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Selects messages by id and topic. Empty fields select all."""

    ids: Sequence[int] = ()
    topic: str = ""

    def where(self) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if self.ids:
            conditions.append(outbox.c.id.in_(self.ids))
        if self.topic:
            conditions.append(or_(outbox.c.topic == self.topic, outbox.c.topic == PARKED + self.topic))
        return conditions


RecordChanges = Callable[[Transaction, Sequence[Row[Any]]], Awaitable[None]]
"""Records in the same transaction which messages it changes."""


class Backlog:
    """The messages of a database. Every method raises Unavailable if the database is unreachable."""

    def __init__(self, database: Database, *, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now
        self._seen: frozenset[str] = frozenset()

    async def list(self, chosen: MessageFilter, limit: int, *, only_parked: bool = False) -> list[BacklogEntry]:
        """Return up to `limit` messages, oldest first."""
        conditions = [*chosen.where(), *([IS_PARKED] if only_parked else [])]
        rows = await self._database.rows(
            "outbox.list", select(outbox).where(*conditions).order_by(outbox.c.id).limit(limit)
        )
        return [
            BacklogEntry(
                row.id,
                row.topic.removeprefix(PARKED),
                row.key,
                row.topic.startswith(PARKED),
                row.attempts,
                row.created_at,
                max(row.next_attempt_at, row.created_at),
                row.last_error or "",
            )
            for row in rows
        ]

    async def counts(self) -> dict[str, int]:
        """Return how many messages are parked, by topic."""
        statement = select(outbox.c.topic, func.count().label("number")).where(IS_PARKED).group_by(outbox.c.topic)
        rows = await self._database.rows("outbox.parked", statement)
        return {row.topic.removeprefix(PARKED): row.number for row in rows}

    async def retry(self, chosen: MessageFilter, audit: Audit, *, actor: str) -> int:
        """Make rejected messages due now, also parked ones, and reset their attempts; return how many.

        Records audit events about the messages in the same transactions.
        """
        topic = func.substr(outbox.c.topic, len(PARKED) + 1)
        fresh = {"attempts": 0, "next_attempt_at": self._now(), "updated_at": self._now()}
        record = partial(_record, audit, EventKind.MESSAGES_RETRIED, actor)
        sent = await self._in_batches(chosen, IS_PARKED, update(outbox).values(fresh | {"topic": topic}), record)
        return sent + await self._in_batches(chosen, outbox.c.attempts > 0, update(outbox).values(fresh), record)

    async def drop(self, chosen: MessageFilter, audit: Audit, *, actor: str) -> int:
        """Delete parked messages, which are then never delivered; return how many.

        Records audit events about the messages in the same transactions.
        """
        record = partial(_record, audit, EventKind.MESSAGES_DROPPED, actor)
        return await self._in_batches(chosen, IS_PARKED, delete(outbox), record)

    async def measure(self, topics: Iterable[str] = ()) -> None:
        """Set the metrics of parked messages, and of those that wait of these topics."""
        for topic in topics:
            some = select(outbox.c.id).where(outbox.c.topic == topic).limit(MOST_COUNTED).subquery()
            rows = await self._database.rows("outbox.length", select(func.count()).select_from(some))
            length.labels(topic).set(rows[0][0])
        counts = await self.counts()
        for topic in self._seen | counts.keys():
            parked.labels(topic).set(counts.get(topic, 0))
        self._seen = frozenset(counts)

    async def _in_batches(
        self, chosen: MessageFilter, which: ColumnElement[bool], change: Update | Delete, record: RecordChanges
    ) -> int:
        """Change the chosen messages, a transaction for each batch. A changed message no longer matches `which`."""
        columns = outbox.c.id, outbox.c.topic, outbox.c.key
        found = select(*columns).where(which, *chosen.where()).order_by(outbox.c.id).limit(BATCH).with_for_update()

        async def work(transaction: Transaction) -> int:
            rows = (await transaction.execute(found)).all()
            if rows:
                await transaction.execute(change.where(outbox.c.id.in_([row.id for row in rows])))
                await record(transaction, rows)
            return len(rows)

        total = 0
        while number := await self._database.transaction("outbox.change", work):
            total += number
        return total


async def _record(
    audit: Audit, happened: EventKind, actor: str, transaction: Transaction, messages: Sequence[Row[Any]]
) -> None:
    """Record one audit event for each topic and user. The key of an invalidation is not a user id."""
    ids: dict[tuple[str, str], list[str]] = {}
    for message in messages:
        topic = message.topic.removeprefix(PARKED)
        ids.setdefault((topic, "" if topic == INVALIDATIONS else message.key), []).append(str(message.id))
    for (topic, user_id), own in ids.items():
        detail = f"{len(own)} of {topic}: {' '.join(own)}"
        await audit.record(transaction, Event(happened, user_id, actor, detail=detail[:DETAIL_LENGTH]))
