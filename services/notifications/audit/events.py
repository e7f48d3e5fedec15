"""Audit events: each is stored once, kept for TRIVET_AUDIT_DAYS, and listed newest first."""

import logging
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from typing import Generic

from prometheus_client import Counter
from pymongo import DESCENDING
from pymongo.asynchronous.cursor import AsyncCursor

from runtime.clock import Clock, to_milliseconds, utc_now
from runtime.errors import InvalidArgument
from runtime.paging import M, Page
from services.notifications.audit.collections import AUDIT
from services.notifications.store import keyset
from services.notifications.store.bulk_writes import insert_missing
from services.notifications.store.clock_skew import MOST_AHEAD
from services.notifications.store.json_data import cut
from services.notifications.store.keyset import Cursor, older_than
from services.notifications.store.mongo import Document, Encode, Store
from services.notifications.store.tombstones import Tombstones

logger = logging.getLogger(__name__)

MAX_EVENTS = 100
MAX_NAME = 128
MAX_USER_AGENT = 512
MAX_DETAIL = 512
ID = re.compile(r"[a-zA-Z0-9]{1,64}")
KIND = re.compile(r"[a-z0-9._-]{1,64}")
expired = Counter("trivet_audit_events_expired_total", "Audit events that arrived after their retention time.")
NEWEST_FIRST = [("time", DESCENDING), ("_id", DESCENDING)]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event of a user account. The fields from `ip_address` on are personal, and are erased with the user."""

    id: str
    time: datetime
    kind: str
    user_id: str = ""
    actor: str = ""
    ip_address: str = ""
    user_agent: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """The filter of a list. An unset field matches all events. The time range is [start, end)."""

    user_id: str = ""
    kind: str = ""
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage(Generic[M]):
    """Events, newest first, and the token of the next page, which is empty on the last page."""

    events: list[M]
    next_page_token: str


class Audit:
    """The collection. Every method raises Unavailable if the store cannot be reached."""

    def __init__(self, store: Store, tombstones: Tombstones, *, ttl: timedelta, clock: Clock = utc_now) -> None:
        self._store = store
        self._rows = store.collection(AUDIT)
        self._tombstones = tombstones
        self._ttl = ttl
        self._clock = clock

    async def record(self, events: Sequence[AuditEvent]) -> int:
        """Store the events on disk. Return how many are stored now, including those that were stored before.

        An event of an erased user is stored without its personal part. An event older than the retention time is not
        stored, and the metric counts it as expired. A time more than MOST_AHEAD of this server's clock is replaced by
        the time of arrival. Raises InvalidArgument for more than 100 events, and for an invalid id or kind.
        """
        _check(events)
        now = self._clock()
        oldest, latest = now - self._ttl, now + MOST_AHEAD
        if ahead := sum(event.time > latest for event in events):
            logger.warning(
                "%d audit events are over a day in the future and get the time of arrival: check the sender's clock",
                ahead,
            )
            events = [replace(event, time=now) if event.time > latest else event for event in events]
        if over := [event for event in events if event.time <= oldest]:
            logger.warning("%d audit events are older than TRIVET_AUDIT_DAYS and were not stored", len(over))
            expired.inc(len(over))
            events = [event for event in events if event.time > oldest]
            if not events:
                return 0
        erased = await self._tombstones.among(event.user_id for event in events)
        documents = [self._document(event, event.user_id in erased) for event in events]
        await self._store.run("audit.insert", lambda: insert_missing(self._rows, documents))
        if late := set(await self._tombstones.among(event.user_id for event in events)) - set(erased):
            # The user was erased in between.
            theirs = {"_id": {"$in": [event.id for event in events if event.user_id in late]}}
            await self._store.run("audit.erase", lambda: self._rows.update_many(theirs, {"$unset": {"personal": ""}}))
        return len(events)

    def _document(self, event: AuditEvent, erased: bool) -> Document:
        now, time = self._clock(), to_milliseconds(event.time)
        document: Document = {
            "_id": event.id,
            "time": time,
            "kind": event.kind,
            "userId": cut(event.user_id, MAX_NAME),
            "actor": cut(event.actor, MAX_NAME),
            # A sender's clock that is ahead must not prolong the retention.
            "expiresAt": min(time, now) + self._ttl,
        }
        if not erased:
            document["personal"] = {
                "ipAddress": cut(event.ip_address, MAX_NAME),
                "userAgent": cut(event.user_agent, MAX_USER_AGENT),
                "detail": cut(event.detail, MAX_DETAIL),
            }
        return document

    async def page(self, criteria: AuditFilter, *, size: int, encode: Encode[M], page_token: str = "") -> AuditPage[M]:
        """Return up to `size` events or 1 MiB, newest first, each encoded.

        Raises InvalidArgument for a token of another filter, and for an empty time range.
        """
        if criteria.start is not None and criteria.end is not None and criteria.start >= criteria.end:
            raise InvalidArgument("INVALID_FIELD", "end_time must be after start_time", field="end_time")
        key = ("audit", *astuple(criteria))
        after = keyset.decode_cursor(page_token, *key)
        page = Page(size, encode)

        def find(row: Document | None) -> AsyncCursor[Document]:
            cursor = after if row is None else Cursor(row["time"], row["_id"])
            return self._rows.find(self._matching(criteria, older_than(cursor, "time"))).sort(NEWEST_FIRST)

        await self._store.read("audit.find", page, find)
        last = page.next_after
        return AuditPage(page.messages, keyset.encode_cursor(Cursor(last["time"], last["_id"]), *key) if last else "")

    def _matching(self, criteria: AuditFilter, after: Document) -> Document:
        matching: Document = after | {"expiresAt": {"$gt": self._clock()}}
        if criteria.user_id:
            matching["userId"] = criteria.user_id
        if criteria.kind:
            matching["kind"] = criteria.kind
        when = {"$gte": criteria.start, "$lt": criteria.end}
        if bounds := {operator: bound for operator, bound in when.items() if bound is not None}:
            matching["time"] = matching.get("time", {}) | bounds
        return matching


def _check(events: Sequence[AuditEvent]) -> None:
    if len(events) > MAX_EVENTS:
        raise InvalidArgument("TOO_MANY", f"at most {MAX_EVENTS} events, not {len(events)}", field="events")
    for index, event in enumerate(events):
        for name, form in (("id", ID), ("kind", KIND)):
            if not form.fullmatch(getattr(event, name)):
                path = f"events[{index}].{name}"
                raise InvalidArgument("INVALID_FIELD", f"{path} must match {form.pattern}", field=path)
