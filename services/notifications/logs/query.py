"""Finds log entries, newest first: in a time range, or without a start time in growing time windows back in time."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Generic

from pymongo import DESCENDING
from pymongo.asynchronous.cursor import AsyncCursor

from runtime.clock import Clock, utc_now
from runtime.errors import DeadlineExceeded, InvalidArgument, Unavailable
from runtime.paging import M, Page
from services.notifications.logs.collections import LOGS
from services.notifications.logs.entries import METHODS, OTHER_METHOD, method_name
from services.notifications.logs.levels import Level
from services.notifications.store import keyset
from services.notifications.store.keyset import Cursor, older_than
from services.notifications.store.mongo import Document, Encode, Store
from services.notifications.store.query_slots import QuerySlots

MAX_TEXT = 256
NEWEST_FIRST = [("timestamp", DESCENDING), ("_id", DESCENDING)]
WINDOWS = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=7), timedelta(days=30))
SEARCH_SECONDS = 0.75
"""The time after which no further window is searched. The page is then partial and says how far the search got."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """The filter of a query. An unset field matches all entries. The time range is [start, end)."""

    start: datetime | None = None
    end: datetime | None = None
    levels: tuple[Level, ...] = ()
    user_id: str = ""
    endpoint: str = ""
    method: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class LogPage(Generic[M]):
    """Entries, newest first, and the token of the next page, which is empty at the end of the search.

    `searched_back_to` is the earliest time that a search without a start time has reached, else None.
    """

    entries: list[M]
    next_page_token: str
    searched_back_to: datetime | None


class LogReader:
    """Reads the log collection. A search ends at entries older than `longest_ttl`, which have expired."""

    def __init__(
        self,
        store: Store,
        longest_ttl: timedelta,
        *,
        slots: QuerySlots | None = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rows = store.collection(LOGS)
        self._slots = slots or QuerySlots()
        self._longest_ttl = longest_ttl
        self._clock = clock
        self._monotonic = monotonic

    async def query(self, criteria: LogFilter, *, size: int, encode: Encode[M], page_token: str = "") -> LogPage[M]:
        """Return the newest entries that match, each encoded, up to `size` or 1 MiB.

        A page can have fewer entries, or none, if the search takes longer than SEARCH_SECONDS. Its token continues the
        search. Raises InvalidArgument for a token of another filter, a text over 256 characters, and an empty time
        range. Raises Unavailable or DeadlineExceeded if the store did not answer for the first window in time.
        Raises Unavailable (LOG_QUERIES_BUSY) if too many queries run.
        """
        _check(criteria)
        async with self._slots.slot():
            return await self._search(criteria, Page(size, encode), page_token)

    async def _search(self, criteria: LogFilter, page: Page[Document, M], page_token: str) -> LogPage[M]:
        key = ("logs", *astuple(criteria))
        now = self._clock()
        bottom = criteria.start or now - self._longest_ttl
        matching = _matching(criteria, now)
        began, reached = self._monotonic(), None
        for when, lower in _window_queries(criteria, keyset.decode_cursor(page_token, *key), bottom, now):
            if reached is not None and self._monotonic() - began > SEARCH_SECONDS:
                break
            try:
                await self._store.read("logs.find", page, partial(self._find, when | matching))
            except (Unavailable, DeadlineExceeded):
                if reached is None:
                    raise
                break
            reached = lower
            if page.is_full:
                break
        else:
            reached = bottom
        return _page(page, reached or bottom, bottom, criteria, key)

    def _find(self, matching: Document, row: Document | None) -> AsyncCursor[Document]:
        if row is not None:
            matching = {"$and": [matching, older_than(Cursor(row["timestamp"], row["_id"]), "timestamp")]}
        return self._rows.find(matching).sort(NEWEST_FIRST)


def _check(criteria: LogFilter) -> None:
    if len(criteria.text) > MAX_TEXT:
        raise InvalidArgument("TEXT_TOO_LONG", f"text can have at most {MAX_TEXT} characters", field="text")
    if criteria.start is not None and criteria.end is not None and criteria.start >= criteria.end:
        raise InvalidArgument("INVALID_FIELD", "end_time must be after start_time", field="end_time")


WindowQuery = tuple[Document, datetime]
"""A MongoDB filter, and the time back to which the search is complete after it."""


def _window_queries(
    criteria: LogFilter, after: Cursor | None, bottom: datetime, now: datetime
) -> Iterator[WindowQuery]:
    """Yield the queries of a search back to `bottom`. Each is one scan of an index.

    After a cursor, the first query finds the remaining entries with the cursor's own time.
    """
    upper = criteria.end
    if after is not None:
        upper = after.time
        if after.id:
            yield {"timestamp": upper, "_id": {"$lt": after.id}}, upper
    ranges = windows(upper, bottom, now) if criteria.start is None else ((bottom, upper),)
    for lower, before in ranges:
        yield {"timestamp": {"$gte": lower} if before is None else {"$gte": lower, "$lt": before}}, lower


def windows(upper: datetime | None, bottom: datetime, now: datetime) -> Iterator[tuple[datetime, datetime | None]]:
    """Yield growing time ranges [lower, upper), from `upper` or else from the newest entry, back to `bottom`."""
    top = now if upper is None else min(upper, now)
    for span in WINDOWS:
        if top - bottom <= span:
            break
        yield top - span, upper
        upper = top - span
    if upper is None or upper > bottom:
        yield bottom, upper


def _matching(criteria: LogFilter, now: datetime) -> Document:
    matching: Document = {}
    if criteria.user_id:
        matching["userId"] = criteria.user_id
    if criteria.endpoint:
        matching["endpoint"] = criteria.endpoint
        # This list is every method. With it, MongoDB merges one index scan per method instead of sorting.
        matching["method"] = {"$in": ["", *METHODS, OTHER_METHOD]}
    if criteria.method:
        matching["method"] = method_name(criteria.method)
    if criteria.levels:
        matching["level"] = {"$in": list(criteria.levels)}
    if criteria.text:
        matching["message"] = {"$regex": re.escape(criteria.text).replace("\0", r"\x00"), "$options": "i"}
    return matching | {"expiresAt": {"$gt": now}}


def _page(
    page: Page[Document, M], reached: datetime, bottom: datetime, criteria: LogFilter, key: tuple[object, ...]
) -> LogPage[M]:
    after: Cursor | None = None
    if (last := page.next_after) is not None:
        after = Cursor(last["timestamp"], last["_id"])
        reached = after.time
    elif reached > bottom:
        after = Cursor(reached, "")
    return LogPage(
        page.messages, keyset.encode_cursor(after, *key) if after else "", None if criteria.start else reached
    )
