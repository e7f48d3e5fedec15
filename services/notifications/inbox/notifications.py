"""The notifications of users, read and unread."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import timedelta
from functools import partial
from typing import Generic, TypeVar

from pymongo import DESCENDING
from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.errors import DuplicateKeyError

from runtime.clock import Clock, utc_now
from runtime.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, Unimplemented
from runtime.paging import M, Page
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.delivery.email.message import Email
from services.notifications.inbox import draft as draft_rules
from services.notifications.inbox.cache_invalidation import NO_CACHE, Invalidation, unread_tag
from services.notifications.inbox.collections import NOTIFICATIONS
from services.notifications.inbox.draft import Channel, Draft
from services.notifications.inbox.new_notification import is_same_request, new_document
from services.notifications.inbox.preferences import Preferences
from services.notifications.store import keyset
from services.notifications.store.keyset import Cursor, older_than
from services.notifications.store.mongo import Document, Encode, Store
from services.notifications.store.tombstones import Tombstones

T = TypeVar("T")

MAX_COUNT = 1_000
MAX_BATCH = 1_000
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a user's notifications are meant."""

    user_id: str
    unread_only: bool = False
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class NotificationPage(Generic[M]):
    """Notifications newest first, where the next page begins, and how many match if that was asked."""

    notifications: list[M]
    next_page_token: str
    total_size: int | None = None


class Notifications:
    """The collection. An expired notification counts as deleted, also before MongoDB removes it.

    `owner` limits a call to the notifications of that user; another user's is NotFound. None means no limit.
    Each write that can change a user's unread count invalidates the cached one. Every method raises Unavailable if the
    store is unreachable.
    """

    def __init__(
        self,
        store: Store,
        mail_policy: MailPolicy,
        deliveries: Deliveries,
        tombstones: Tombstones,
        preferences: Preferences,
        *,
        ttl: timedelta,
        invalidation: Invalidation = NO_CACHE,
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._rows = store.collection(NOTIFICATIONS)
        self._mail_policy = mail_policy
        self._deliveries = deliveries
        self._tombstones = tombstones
        self._preferences = preferences
        self._ttl = ttl
        self._invalidation = invalidation
        self._clock = clock

    async def create(self, draft: Draft, caller: str) -> Document:
        """Store the draft and return it as stored.

        With a request id that the caller used before, nothing is stored and the first one is returned; raises
        FailedPrecondition if it was another draft, for a type that nothing here can send, for a user who was erased,
        and for what the user does not want. Raises InvalidArgument.
        """
        draft_rules.check(draft)
        self._check_can_be_sent(draft.channel)
        await self._tombstones.check(draft.user_id)
        document = new_document(draft, caller, self._mail_policy, ttl=self._ttl, now=self._clock())
        if await self._preferences.is_disabled(draft.user_id, draft.topic, draft.channel):
            if (first := await self._first(document, draft.email)) is not None:  # from before the user disabled it
                return first
            raise FailedPrecondition("UNWANTED", f"the user has disabled this topic for {draft.channel}")
        insert = partial(self._insert, document, draft.email)
        # What is read from the start changes no count.
        document = await (insert() if document["read"] else self._write_and_invalidate(draft.user_id, insert))
        if draft.channel == "email":
            self._mail_policy.wake()
        return document

    async def _insert(self, document: Document, email: Email | None) -> Document:
        try:
            await self._store.run("notifications.insert", lambda: self._rows.insert_one(document))
        except DuplicateKeyError:
            # Without a request id: ids are random, so that only our own insert, tried twice, can have this one.
            if "requestId" in document:
                first = await self._first(document, email)
                if first is None:
                    why = "the first notification of this request_id was just deleted: try again"
                    raise Aborted("REQUEST_RACED", why) from None
                document = first
        if "delivery" in document:
            await self._deliveries.move(document)
        try:
            await self._tombstones.check(document["userId"])
        except FailedPrecondition:  # the user was erased in between
            this = {"_id": document["_id"]}
            await self._store.run("notifications.delete", lambda: self._rows.delete_one(this))
            await self._deliveries.delete(document["_id"])
            raise
        return document

    def _check_can_be_sent(self, channel: Channel) -> None:
        if channel == "push":
            raise Unimplemented("PUSH_NOT_IMPLEMENTED", "this version does not send push notifications")
        if channel == "email" and not (self._mail_policy.sends_mail or self._mail_policy.keeps_mail):
            raise FailedPrecondition("EMAIL_NOT_CONFIGURED", "no mail server is configured: set TRIVET_SMTP_URL")

    async def _first(self, again: Document, email: Email | None) -> Document | None:
        """Return what the same request stored before, None if nothing. Raises FailedPrecondition if it was another."""
        if "requestId" not in again:
            return None
        this = {"caller": again["caller"], "requestId": again["requestId"]}
        first = await self._store.run("notifications.find_request", lambda: self._rows.find_one(this))
        if first is None:
            return None
        if not is_same_request(first, again, email, self._mail_policy):
            raise FailedPrecondition("REQUEST_ID_REUSED", "this request_id belongs to another notification")
        return first

    async def get(self, notification_id: str, owner: str | None, fields: Sequence[str] = ()) -> Document:
        """Return one notification, or only the named fields of it. Raises NotFound."""
        this, projection = self._one(notification_id, owner), dict.fromkeys(fields, 1) or None
        found = await self._store.run("notifications.get", lambda: self._rows.find_one(this, projection))
        if found is None:
            raise _not_found()
        return found

    async def page(
        self,
        selection: Selection,
        *,
        size: int,
        encode: Encode[M],
        page_token: str = "",
        number: int | None = None,
        fields: Sequence[str] = (),
    ) -> NotificationPage[M]:
        """Return up to `size` notifications or 1 MiB, newest first, each encoded: those behind the token, or the page
        with that number from 1.

        Only `fields` are read, besides what the order needs. By number the count of all that match is returned too.
        Raises InvalidArgument for a token that is not of this selection.
        """
        after = keyset.decode_cursor(page_token, "notifications", *astuple(selection))
        matching = self._matching(selection)
        skip = 0 if number is None else (number - 1) * size
        projection = dict.fromkeys((*fields, "createdAt"), 1) if fields else None
        page = Page(size, encode)

        def find(row: Document | None) -> AsyncCursor[Document]:
            cursor = after if row is None else Cursor(row["createdAt"], row["_id"])
            found = self._rows.find(matching | older_than(cursor, "createdAt"), projection).sort(NEWEST_FIRST)
            return found.skip(skip) if row is None else found

        await self._store.read("notifications.find", page, find)
        total = None
        if number is not None:
            total = await self._store.run("notifications.count", lambda: self._rows.count_documents(matching))
        last = page.next_after
        token = last and keyset.encode_cursor(
            Cursor(last["createdAt"], last["_id"]), "notifications", *astuple(selection)
        )
        return NotificationPage(page.messages, token or "", total)

    async def mark_read(self, notification_id: str, owner: str | None) -> Document:
        """Mark one as read, unless it is, and return it: a first reading keeps its time. Raises NotFound."""

        async def mark() -> None:
            unread = self._one(notification_id, owner) | {"read": False}
            await self._store.run("notifications.mark_read", lambda: self._rows.update_one(unread, self._reading()))

        await self._write_and_invalidate(owner or await self._user_of(notification_id), mark)
        return await self.get(notification_id, owner)

    async def mark_many_read(self, user_id: str, notification_ids: Sequence[str]) -> int:
        """Mark those of the user's that are there; return how many had been unread. Raises InvalidArgument."""
        if len(notification_ids) > MAX_BATCH:
            raise InvalidArgument(
                "TOO_MANY",
                f"at most {MAX_BATCH} ids, not {len(notification_ids)}",
                field="notification_ids",
            )
        which = {"_id": {"$in": list(dict.fromkeys(notification_ids))}, "userId": user_id}
        return await self._write_and_invalidate(user_id, partial(self._mark, which))

    async def mark_all_read(self, user_id: str) -> int:
        """Mark all of the user's; return how many had been unread."""
        return await self._write_and_invalidate(user_id, partial(self._mark, {"userId": user_id}))

    async def delete(self, notification_id: str, owner: str | None) -> None:
        """Delete a notification. Raises NotFound, and FailedPrecondition for a mail that waits to be sent.

        A stolen session must not be able to take back the mail that warns of it.
        """

        async def remove() -> None:
            this = self._one(notification_id, owner)
            without_mail = this | {"type": {"$ne": "email"}}
            gone = await self._store.run("notifications.delete", lambda: self._rows.delete_one(without_mail))
            if gone.deleted_count:
                return
            found = await self.get(notification_id, owner, ["delivery", "nextAttemptAt"])
            # `nextAttemptAt` is of an older version. A delivery that is done never waits again.
            if {"delivery", "nextAttemptAt"} & set(found) or await self._deliveries.is_pending(notification_id):
                raise FailedPrecondition("MAIL_NOT_SENT_YET", "a mail that waits to be sent cannot be deleted")
            await self._deliveries.delete(notification_id)
            await self._store.run("notifications.delete", lambda: self._rows.delete_one(this))

        await self._write_and_invalidate(owner or await self._user_of(notification_id), remove)

    async def _user_of(self, notification_id: str) -> str:
        user_id: str = (await self.get(notification_id, None, ["userId"]))["userId"]
        return user_id

    async def count_unread(self, user_id: str) -> tuple[int, bool]:
        """Count the user's unread ones exactly, up to 1,000; and whether there are more."""
        unread = self._alive(userId=user_id, read=False)
        count = await self._store.run(
            "notifications.count_unread", lambda: self._rows.count_documents(unread, limit=MAX_COUNT + 1)
        )
        return min(count, MAX_COUNT), count > MAX_COUNT

    async def stats(self, user_id: str) -> list[Document]:
        """Count the user's by type: `_id` is the type, beside `total` and `unread`."""
        unread = {"$cond": ["$read", 0, 1]}
        by_type = {"_id": "$type", "total": {"$sum": 1}, "unread": {"$sum": unread}}
        steps = [{"$match": self._alive(userId=user_id)}, {"$group": by_type}]

        async def count() -> list[Document]:
            return await (await self._rows.aggregate(steps)).to_list()

        return sorted(await self._store.run("notifications.stats", count), key=lambda group: str(group["_id"]))

    async def _write_and_invalidate(self, user_id: str, write: Callable[[], Awaitable[T]]) -> T:
        return await self._invalidation.write_and_invalidate([unread_tag(user_id)], write)

    async def _mark(self, which: Document) -> int:
        unread = which | self._alive(read=False)
        done = await self._store.run(
            "notifications.mark_many_read", lambda: self._rows.update_many(unread, self._reading())
        )
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
        if selection.channel is not None:
            matching["type"] = selection.channel
        return matching


def _not_found() -> NotFound:
    return NotFound("NOTIFICATION_NOT_FOUND", "the notification does not exist")
