"""Notifications: what users are told, and whether they have read it."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from functools import partial

from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from runtime.clock import Clock, to_milliseconds, utc_now
from runtime.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from runtime.ids import new_id
from services.notifications import drafts, places
from services.notifications.drafts import Draft, Email, Kind
from services.notifications.erasures import Erasures
from services.notifications.letters import Letters
from services.notifications.places import Place, behind
from services.notifications.queue import KEPT, QUEUED
from services.notifications.store import Document, Store
from services.notifications.unread import NOT_KEPT, Counts

MAX_COUNT = 1_000
MAX_BATCH = 1_000
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]
# What must be alike for a repeated request id to be the same request; and the mail, by its fingerprint.
SAME = ("userId", "type", "title", "message", "topic", "data")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a user's notifications are meant."""

    user_id: str
    unread_only: bool = False
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Mailing:
    """What becomes of mail: it is `sent`, or else `kept` to be looked at, or else refused.

    `told` is called when there is one more to send.
    """

    letters: Letters
    sent: bool = False
    kept: bool = False
    told: Callable[[], None] = lambda: None

    def begun(self, email: Email, notification_id: str, now: datetime) -> Document:
        """Return what a new document holds of its mail. It is read: there is nothing of it to read in the product."""
        mail = {"read": True, "mail": self.letters.sealed(email, notification_id)}
        return mail | ({"status": QUEUED, "attempts": 0, "nextAttemptAt": now} if self.sent else {"status": KEPT})


@dataclass(frozen=True, slots=True)
class Page:
    """Notifications newest first, where the next page begins, and how many match if that was asked."""

    notifications: list[Document]
    next_page_token: str
    total_size: int | None = None


class Notifications:
    """The collection. An expired notification is not there, whenever MongoDB removes it.

    `owner` is the only user whose notifications may be touched, None for anybody's: another's is NotFound. `counts`
    are the users' unread counts that others keep; each write that may change one is settled with them. Every method
    raises Unavailable when the store cannot be reached.
    """

    def __init__(
        self,
        store: Store,
        mailing: Mailing,
        erasures: Erasures,
        *,
        ttl: timedelta,
        counts: Counts = NOT_KEPT,
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._rows = store.notifications
        self._mailing = mailing
        self._erasures = erasures
        self._ttl = ttl
        self._counts = counts
        self._clock = clock

    async def create(self, draft: Draft, caller: str) -> Document:
        """Store the draft and return it as stored.

        With a request id that the caller used before, nothing is stored and the first one is returned; raises
        FailedPrecondition if it was another draft, for a type that nothing here can send, and for a user who was
        erased. Raises InvalidArgument.
        """
        drafts.check(draft)
        self._check_can_be_sent(draft.kind)
        await self._check_is_not_erased(draft.user_id)
        document = self._document(draft, caller)
        insert = partial(self._insert, document, draft.email)
        # What is read from the start changes no count.
        document = await (insert() if document["read"] else self._counts.settle(draft.user_id, insert))
        if "nextAttemptAt" in document:
            self._mailing.told()
        return document

    async def _insert(self, document: Document, email: Email | None) -> Document:
        try:
            async with self._store.call("notifications.insert"):
                await self._rows.insert_one(document)
        except DuplicateKeyError:
            document = await self._first(document, email)
        await self._check_is_not_erased(document["userId"], document["_id"])
        return document

    async def _check_is_not_erased(self, user_id: str, stored: str = "") -> None:
        if not await self._erasures.among([user_id]):
            return
        if stored:  # while the erasure went past
            async with self._store.call("notifications.delete"):
                await self._rows.delete_one({"_id": stored})
        raise FailedPrecondition("USER_ERASED", "the data of this user was erased: nothing more is kept of them")

    def _check_can_be_sent(self, kind: Kind) -> None:
        if kind == "push":
            raise FailedPrecondition("PUSH_NOT_CONFIGURED", "no Web Push keys are set here")
        if kind == "email" and not (self._mailing.sent or self._mailing.kept):
            raise FailedPrecondition("EMAIL_NOT_CONFIGURED", "no mail server is set here: TRIVET_SMTP_URL")

    def _document(self, draft: Draft, caller: str) -> Document:
        now = self._clock()
        document: Document = {
            "_id": new_id(),
            "userId": draft.user_id,
            "type": draft.kind,
            "title": draft.title,
            "message": draft.message,
            "topic": draft.topic,
            "data": draft.data,
            "read": False,
            "createdAt": now,
            "updatedAt": now,
            "expiresAt": to_milliseconds(now + (draft.ttl or self._ttl)),
        }
        if draft.email is not None:
            document |= self._mailing.begun(draft.email, document["_id"], now)
        if draft.request_id:
            document |= {"caller": caller, "requestId": draft.request_id}
            if draft.email is not None:
                known_by = self._mailing.letters.fingerprint(draft.email, caller, draft.request_id)
                document["fingerprint"] = known_by
        return document

    async def _first(self, again: Document, email: Email | None) -> Document:
        """Return what the same request stored before, be it an earlier call or the driver's own first try."""
        if "requestId" not in again:
            return again  # ids are random: only our own insert, tried twice, can have this one
        async with self._store.call("notifications.find_request"):
            first = await self._rows.find_one({"caller": again["caller"], "requestId": again["requestId"]})
        if first is None:
            raise Aborted("REQUEST_RACED", "the first notification of this request_id was just removed: try again")
        is_same = all(first.get(key) == again.get(key) for key in SAME) and _lifetime(first) == _lifetime(again)
        if is_same and email is not None:
            request = (again["caller"], again["requestId"])
            is_same = self._mailing.letters.is_same(first["fingerprint"], email, *request)
        if not is_same:
            raise FailedPrecondition("REQUEST_ID_REUSED", "this request_id was used for another notification")
        return first

    async def get(self, notification_id: str, owner: str | None, fields: Sequence[str] = ()) -> Document:
        """Return one notification, or only the named fields of it. Raises NotFound."""
        async with self._store.call("notifications.get"):
            found = await self._rows.find_one(self._one(notification_id, owner), dict.fromkeys(fields, 1) or None)
        if found is None:
            raise _not_found()
        return found

    async def page(
        self,
        selection: Selection,
        *,
        size: int,
        page_token: str = "",
        number: int | None = None,
        fields: Sequence[str] = (),
    ) -> Page:
        """Return `size` notifications, newest first: those behind the token, or the page with that number from 1.

        Only `fields` are read, besides what the order needs. By number the count of all that match is returned too.
        Raises InvalidArgument for a token that is not of this selection.
        """
        after = places.place(page_token, "notifications", *astuple(selection))
        matching = self._matching(selection)
        skip = 0 if number is None else (number - 1) * size
        projection = dict.fromkeys((*fields, "createdAt"), 1) if fields else None
        async with self._store.call("notifications.find"):
            found = self._rows.find(matching | behind(after, "createdAt"), projection).sort(NEWEST_FIRST)
            rows = await found.skip(skip).limit(size + 1).to_list()
            total = None if number is None else await self._rows.count_documents(matching)
        last = rows[size - 1] if len(rows) > size else None
        token = last and places.token(Place(last["createdAt"], last["_id"]), "notifications", *astuple(selection))
        return Page(rows[:size], token or "", total)

    async def mark_read(self, notification_id: str, owner: str | None) -> Document:
        """Mark one as read, unless it is, and return it: a first reading keeps its time. Raises NotFound."""

        async def mark() -> None:
            async with self._store.call("notifications.mark_read"):
                await self._rows.update_one(self._one(notification_id, owner) | {"read": False}, self._reading())

        await self._counts.settle(owner or await self._user_of(notification_id), mark)
        return await self.get(notification_id, owner)

    async def mark_many_read(self, user_id: str, notification_ids: Sequence[str]) -> int:
        """Mark those of the user's that are there; return how many had been unread. Raises InvalidArgument."""
        if len(notification_ids) > MAX_BATCH:
            raise InvalidArgument(
                "TOO_MANY", f"up to {MAX_BATCH} ids, not {len(notification_ids)}", field="notification_ids"
            )
        which = {"_id": {"$in": list(dict.fromkeys(notification_ids))}, "userId": user_id}
        return await self._counts.settle(user_id, partial(self._mark, which))

    async def mark_all_read(self, user_id: str) -> int:
        """Mark all of the user's; return how many had been unread."""
        return await self._counts.settle(user_id, partial(self._mark, {"userId": user_id}))

    async def delete(self, notification_id: str, owner: str | None) -> None:
        """Remove one. Raises NotFound, and FailedPrecondition for a mail that waits to be sent.

        Whoever has stolen a session must not take back the mail that warns of it.
        """

        async def remove() -> None:
            async with self._store.call("notifications.delete"):
                sent = self._one(notification_id, owner) | {"nextAttemptAt": None}
                gone = await self._rows.delete_one(sent)
            if gone.deleted_count == 0:
                await self.get(notification_id, owner, ["_id"])
                raise FailedPrecondition("MAIL_NOT_SENT_YET", "a mail that waits to be sent cannot be removed")

        await self._counts.settle(owner or await self._user_of(notification_id), remove)

    async def _user_of(self, notification_id: str) -> str:
        user_id: str = (await self.get(notification_id, None, ["userId"]))["userId"]
        return user_id

    async def count_unread(self, user_id: str) -> tuple[int, bool]:
        """Count the user's unread ones exactly, up to 1,000; and whether there are more."""
        async with self._store.call("notifications.count_unread"):
            count = await self._rows.count_documents(self._alive(userId=user_id, read=False), limit=MAX_COUNT + 1)
        return min(count, MAX_COUNT), count > MAX_COUNT

    async def stats(self, user_id: str) -> list[Document]:
        """Count the user's by type: `_id` is the type, beside `total` and `unread`."""
        unread = {"$cond": ["$read", 0, 1]}
        by_type = {"_id": "$type", "total": {"$sum": 1}, "unread": {"$sum": unread}}
        async with self._store.call("notifications.stats"):
            groups = await self._rows.aggregate([{"$match": self._alive(userId=user_id)}, {"$group": by_type}])
            return sorted(await groups.to_list(), key=lambda group: str(group["_id"]))

    async def _mark(self, which: Document) -> int:
        async with self._store.call("notifications.mark_many_read"):
            done = await self._rows.update_many(which | self._alive(read=False), self._reading())
        return done.modified_count

    def _reading(self) -> Document:
        now = self._clock()
        return {"$set": {"read": True, "readAt": now, "updatedAt": now}}

    def _alive(self, **equal: str | bool) -> Document:
        # The TTL monitor is late by a minute or more: what has expired must not be seen until then.
        return {**equal, "expiresAt": {"$gt": self._clock()}}

    def _one(self, notification_id: str, owner: str | None) -> Document:
        return self._alive(_id=notification_id) | ({} if owner is None else {"userId": owner})

    def _matching(self, selection: Selection) -> Document:
        matching = self._alive(userId=selection.user_id)
        if selection.unread_only:
            # Not `False`: that would let the planner take the index of unread ones, which is in another order.
            matching["read"] = {"$ne": True}
        if selection.kind is not None:
            matching["type"] = selection.kind
        return matching


def _lifetime(document: Document) -> timedelta:
    expires_at: datetime = document["expiresAt"]
    created_at: datetime = document["createdAt"]
    return expires_at - created_at


def _not_found() -> NotFound:
    return NotFound("NOTIFICATION_NOT_FOUND", "there is no such notification")
