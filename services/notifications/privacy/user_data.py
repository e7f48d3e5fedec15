"""All data about a user: export in pages, and erasure in batches."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from pymongo import DESCENDING
from pymongo.asynchronous.cursor import AsyncCursor

from runtime.clock import Clock, utc_now
from runtime.errors import InvalidArgument
from runtime.paging import M, Page, decode_token, encode_token
from services.notifications.inbox.cache_invalidation import NO_CACHE, Invalidation, preferences_tag, unread_tag
from services.notifications.store.json_data import restore_keys
from services.notifications.store.keyset import EPOCH, MILLISECOND, Cursor, older_than
from services.notifications.store.mongo import Document, Store
from services.notifications.store.personal_data import PersonalData
from services.notifications.store.tombstones import Tombstones
from trivet.client.deadline import remaining

# SecantusDB deletes some 100 to 250 documents a second. A batch must finish long before the call's deadline.
BATCH = 50
ERASE_SECONDS = 0.75
"""After this time no further batch begins, so that the response arrives before the deadline."""
HIDDEN = frozenset(
    {"_id", "userId", "mail", "delivery", "fingerprint", "lease", "leaseUntil", "nextAttemptAt", "caller", "requestId"}
)


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A record about a user. `data` is JSON."""

    kind: str
    data: dict[str, Any]


class UserData:
    """Exports and erases the data of one user in all collections.

    `kinds` are in the order of an export. An erasure invalidates the cached entries about the user. Every method raises
    Unavailable if the store cannot be reached.
    """

    def __init__(
        self,
        store: Store,
        tombstones: Tombstones,
        kinds: Sequence[PersonalData],
        *,
        invalidation: Invalidation = NO_CACHE,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._tombstones = tombstones
        self._kinds = tuple(kinds)
        self._invalidation = invalidation
        self._clock = clock
        self._monotonic = monotonic

    async def erase(self, user_id: str) -> tuple[int, bool]:
        """Erase the user's data for up to 0.75 s. Return the number of erased records, and whether no data is left.

        From the first call on, new data about the user is rejected. The call can be repeated.
        """
        tags = [unread_tag(user_id), preferences_tag(user_id)]
        return await self._invalidation.write_and_invalidate(tags, partial(self._erase, user_id))

    async def _erase(self, user_id: str) -> tuple[int, bool]:
        await self._tombstones.add(user_id)
        until = self._monotonic() + remaining(ERASE_SECONDS)
        count = 0
        for kind in self._kinds:
            while erased := await self._erase_some(kind, user_id):
                count += erased
                if self._monotonic() >= until:
                    return count, False
        return count, True

    async def _erase_some(self, kind: PersonalData, user_id: str) -> int:
        rows = self._store.collection(kind.collection)
        theirs: Document = {"userId": user_id}
        if kind.emptied_field is not None:
            theirs[kind.emptied_field] = {"$exists": True}

        async def erase() -> int:
            found = await rows.find(theirs, {"_id": 1}).limit(BATCH).to_list()
            these = {"_id": {"$in": [row["_id"] for row in found]}}
            if found and kind.emptied_field is None:
                await rows.delete_many(these)
            elif found:
                await rows.update_many(these, {"$unset": {kind.emptied_field: ""}})
            return len(found)

        return await self._store.run(f"{kind.collection.name}.erase", erase)

    async def page(
        self, user_id: str, *, size: int, encode: Callable[[UserRecord], M], page_token: str = ""
    ) -> tuple[list[M], str]:
        """Return up to `size` records or 1 MiB, each encoded, and the token of the next page.

        All records of a page are of one kind, newest first. A page can be empty. The token is empty on the last page.
        Raises InvalidArgument for a token of another user.
        """
        number, after = self._cursor(page_token, user_id)
        kind = self._kinds[number]
        theirs: Document = {"userId": user_id}
        if kind.expires:
            theirs["expiresAt"] = {"$gt": self._clock()}
        order = [(kind.time, DESCENDING), ("_id", DESCENDING)]
        page = Page[Document, M](size, lambda row: encode(UserRecord(kind.kind, _shown(row))))

        def find(row: Document | None) -> AsyncCursor[Document]:
            cursor = after if row is None else Cursor(row[kind.time], row["_id"])
            return self._store.collection(kind.collection).find(older_than(cursor, kind.time) | theirs).sort(order)

        await self._store.read(f"{kind.collection.name}.export", page, find)
        if (last := page.next_after) is not None:
            return page.messages, _token(number, Cursor(last[kind.time], last["_id"]), user_id)
        return page.messages, _token(number + 1, None, user_id) if number + 1 < len(self._kinds) else ""

    def _cursor(self, page_token: str, user_id: str) -> tuple[int, Cursor | None]:
        match decode_token(page_token, "user data", user_id):
            case None:
                return 0, None
            case [int(number)] if 0 <= number < len(self._kinds):
                return number, None
            case [int(number), int(milliseconds), str(row_id)] if 0 <= number < len(self._kinds):
                try:
                    return number, Cursor(EPOCH + milliseconds * MILLISECOND, row_id)
                except OverflowError:
                    pass
        raise InvalidArgument("INVALID_PAGE_TOKEN", "page_token is not valid for this request", field="page_token")


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document as JSON, without internal fields and without mail."""
    data = {"id": row["_id"], **{key: _plain(value) for key, value in row.items() if key not in HIDDEN}}
    return data | {"attributes": restore_keys(data["attributes"])} if "attributes" in data else data


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value


def _token(number: int, after: Cursor | None, user_id: str) -> str:
    where = [(after.time - EPOCH) // MILLISECOND, after.id] if after else []
    return encode_token([number, *where], "user data", user_id)
