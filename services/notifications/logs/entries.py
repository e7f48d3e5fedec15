"""Log entries: written in batches, with each field cut to its limit, and kept for the time of their level."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runtime.clock import Clock, to_milliseconds, utc_now
from runtime.errors import InvalidArgument
from runtime.ids import new_id
from services.notifications.logs.collections import LOGS
from services.notifications.logs.levels import Level
from services.notifications.store.bulk_writes import insert_missing
from services.notifications.store.clock_skew import MOST_AHEAD
from services.notifications.store.json_data import cut, storable
from services.notifications.store.mongo import Document, Store
from services.notifications.store.tombstones import Tombstones

MAX_ENTRIES = 1_000
MAX_MESSAGE = 8_192
MAX_ENDPOINT = 512
MAX_NAME = 128

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
OTHER_METHOD = "_OTHER"
"""The name in OpenTelemetry's conventions for every method that HTTP does not define. Callers can invent any number."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A log entry. A `timestamp` of None means the time of arrival. `duration_ms` is in milliseconds."""

    message: str
    level: Level = "info"
    timestamp: datetime | None = None
    user_id: str = ""
    endpoint: str = ""
    method: str = ""
    status: int = 0
    duration_ms: float = 0.0
    service: str = ""
    trace_id: str = ""
    span_id: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RejectedEntry:
    """An entry that was not stored: its index in the batch, a reason for programs, and a message for people."""

    index: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The number of accepted entries of a batch, and the rejected ones."""

    count: int
    rejected: Sequence[RejectedEntry] = ()


class Logs:
    """Writes log entries. `logs/query.py` reads them."""

    def __init__(
        self, store: Store, tombstones: Tombstones, ttls: Mapping[Level, timedelta], *, clock: Clock = utc_now
    ) -> None:
        self._store = store
        self._rows = store.collection(LOGS)
        self._tombstones = tombstones
        self._ttls = ttls
        self._clock = clock

    async def write(self, entries: Sequence[LogEntry]) -> WriteResult:
        """Store the entries in order. If the store fails midway, the first ones can be stored already.

        An entry older than the retention time of its level is rejected, because no query would find it. An entry more
        than MOST_AHEAD of this server's clock is rejected, because it would stay the newest. An entry about an erased
        user is not stored but counts as accepted: the gateway logs the request for a deletion after the deletion.

        Raises InvalidArgument for more than 1,000 entries or one without a message. Raises Unavailable if the store
        cannot be reached.
        """
        if len(entries) > MAX_ENTRIES:
            raise InvalidArgument("TOO_MANY", f"at most {MAX_ENTRIES} entries, not {len(entries)}", field="entries")
        for index, entry in enumerate(entries):
            if not entry.message:
                path = f"entries[{index}].message"
                raise InvalidArgument("REQUIRED_FIELD_MISSING", f"{path} is required", field=path)
        now = self._clock()
        rejected = [each for index, entry in enumerate(entries) if (each := self._rejected(index, entry, now))]
        if rejected:
            over = {each.index for each in rejected}
            entries = [entry for index, entry in enumerate(entries) if index not in over]
        erased = await self._tombstones.among(entry.user_id for entry in entries)
        documents = [self._document(entry, now) for entry in entries if entry.user_id not in erased]
        if documents:
            await self._insert(documents)
        return WriteResult(len(entries), tuple(rejected))

    def _rejected(self, index: int, entry: LogEntry, now: datetime) -> RejectedEntry | None:
        if entry.timestamp is None:
            return None
        which = f"entries[{index}] has the time {entry.timestamp}"
        if entry.timestamp > now + MOST_AHEAD:
            return RejectedEntry(index, "IN_THE_FUTURE", f"{which}: more than 1 day ahead of the server's clock")
        if entry.timestamp <= now - self._ttls[entry.level]:
            days = self._ttls[entry.level] / timedelta(days=1)
            return RejectedEntry(index, "EXPIRED", f"{which}: {entry.level} entries are kept for {days:g} days")
        return None

    async def _insert(self, documents: Sequence[Document]) -> None:
        await self._store.run("logs.insert", lambda: insert_missing(self._rows, documents))
        if late := await self._tombstones.among(document["userId"] for document in documents):
            # The user was erased in between.
            theirs = {"_id": {"$in": [document["_id"] for document in documents if document["userId"] in late]}}
            await self._store.run("logs.erase", lambda: self._rows.delete_many(theirs))

    def _document(self, entry: LogEntry, now: datetime) -> Document:
        timestamp = now if entry.timestamp is None else to_milliseconds(entry.timestamp)
        return {
            "_id": new_id(),
            "timestamp": timestamp,
            "level": entry.level,
            "message": cut(entry.message, MAX_MESSAGE),
            "userId": cut(entry.user_id, MAX_NAME),
            "endpoint": cut(entry.endpoint, MAX_ENDPOINT),
            "method": method_name(entry.method),
            "status": entry.status,
            "durationMs": entry.duration_ms if math.isfinite(entry.duration_ms) else 0.0,
            "service": cut(entry.service, MAX_NAME),
            "traceId": cut(entry.trace_id, MAX_NAME),
            "spanId": cut(entry.span_id, MAX_NAME),
            "attributes": storable(entry.attributes),
            # A sender's clock that is ahead must not prolong the retention.
            "expiresAt": min(timestamp, now) + self._ttls[entry.level],
        }


def method_name(method: str) -> str:
    """Return the method as it is stored: an HTTP method in capitals, `_OTHER` for other names, empty if it is empty."""
    name = method.upper()
    return name if name in METHODS or not name else OTHER_METHOD
