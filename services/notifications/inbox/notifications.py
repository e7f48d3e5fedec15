"""The notifications of users: create, list, mark as read, delete and count."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple
from datetime import timedelta
from functools import partial
from typing import TypeVar

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
from services.notifications.inbox.pages import NotificationPage, Selection
from services.notifications.inbox.preferences import Preferences
from services.notifications.store import keyset
from services.notifications.store.keyset import Cursor, older_than
from services.notifications.store.mongo import Document, Encode, Store
from services.notifications.store.tombstones import Tombstones

T = TypeVar("T")

MAX_COUNT = 1_000
MAX_BATCH = 1_000
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]


class Notifications:
    """The collection. An expired notification counts as deleted, also before MongoDB removes it.

    `owner` limits a call to the notifications of that user: it raises NotFound for others. None means no limit.
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
        """Store the draft and return its document. `caller` is the scope of the request id.

        If the caller used the request id before, nothing is stored and the first document is returned. Raises
        FailedPrecondition if the first draft was different, if no mail server is configured, if the user was erased,
        and if the user has disabled the topic and channel. Raises InvalidArgument for a draft that breaks a rule,
        Unimplemented for the channel push, and Aborted if the first document was deleted meanwhile.
        """
        draft_rules.check(draft)
        self._check_can_be_sent(draft.channel)
        await self._tombstones.check(draft.user_id)
        document = new_document(draft, caller, self._mail_policy, ttl=self._ttl, now=self._clock())
        if await self._preferences.is_disabled(draft.user_id, draft.topic, draft.channel):
            if (first := await self._first(document, draft.email)) is not None:  # created before the user disabled it
                return first
            raise FailedPrecondition("UNWANTED", f"the user has disabled this topic for {draft.channel}")
        insert = partial(self._insert, document, draft.email)
        # A notification that counts as read from the start does not change the unread count.
        document = await (insert() if document["read"] else self._write_and_invalidate(draft.user_id, insert))
        if draft.channel == "email":
            self._mail_policy.wake()
        return document

    async def _insert(self, document: Document, email: Email | None) -> Document:
        try:
            await self._store.run("notifications.insert", lambda: self._rows.insert_one(document))
        except DuplicateKeyError:
            # Without a request id, the duplicate is the driver's own first attempt, because ids are random.
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
        """Return the first document with this request id, or None. Raises FailedPrecondition if its draft differs."""
        if "requestId" not in again:
            return None
        this = {"caller": again["caller"], "requestId": again["requestId"]}
        first = await self._store.run("notifications.find_request", lambda: self._rows.find_one(this))
        if first is None:
            return None
        if not is_same_request(first, again, email, self._mail_policy):
            raise FailedPrecondition(
                "REQUEST_ID_REUSED", "this request_id belongs to another notification: use a new one"
            )
        return first

    async def get(self, notification_id: str, owner: str | None, fields: Sequence[str] = ()) -> Document:
        """Return a notification, or only the named keys of its document. Raises NotFound."""
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
        """Return up to `size` notifications or 1 MiB, newest first, each encoded.

        The page starts behind `page_token`, or is the page with this `number`, counted from 1. With a number, the
        result has the total size. `fields` are the keys of the documents to read, all if it is empty. Raises
        InvalidArgument for a token of another selection.
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
        """Mark a notification as read and return it. If it is read already, its time stays. Raises NotFound."""

        async def mark() -> None:
            unread = self._one(notification_id, owner) | {"read": False}
            await self._store.run("notifications.mark_read", lambda: self._rows.update_one(unread, self._reading()))

        await self._write_and_invalidate(owner or await self._user_of(notification_id), mark)
        return await self.get(notification_id, owner)

    async def mark_many_read(self, user_id: str, notification_ids: Sequence[str]) -> int:
        """Mark the user's notifications with these ids as read. Return how many were unread.

        Ids that do not exist, or are another user's, are ignored. Raises InvalidArgument for more than 1,000 ids.
        """
        if len(notification_ids) > MAX_BATCH:
            raise InvalidArgument(
                "TOO_MANY",
                f"at most {MAX_BATCH} ids, not {len(notification_ids)}",
                field="notification_ids",
            )
        which = {"_id": {"$in": list(dict.fromkeys(notification_ids))}, "userId": user_id}
        return await self._write_and_invalidate(user_id, partial(self._mark, which))

    async def mark_all_read(self, user_id: str) -> int:
        """Mark all notifications of the user as read. Return how many were unread."""
        return await self._write_and_invalidate(user_id, partial(self._mark, {"userId": user_id}))

    async def delete(self, notification_id: str, owner: str | None) -> None:
        """Delete a notification and its deliveries. Raises NotFound, and FailedPrecondition if a mail is not sent yet.

        A stolen session must not be able to delete the mail that warns of it.
        """

        async def remove() -> None:
            this = self._one(notification_id, owner)
            without_mail = this | {"type": {"$ne": "email"}}
            deleted = await self._store.run("notifications.delete", lambda: self._rows.delete_one(without_mail))
            if deleted.deleted_count:
                return
            found = await self.get(notification_id, owner, ["delivery", "nextAttemptAt"])
            # An older version stored `nextAttemptAt` here. A delivery that has ended never becomes pending again.
            if {"delivery", "nextAttemptAt"} & set(found) or await self._deliveries.is_pending(notification_id):
                raise FailedPrecondition(
                    "MAIL_NOT_SENT_YET", "the mail of this notification is not sent yet: retry later"
                )
            await self._deliveries.delete(notification_id)
            await self._store.run("notifications.delete", lambda: self._rows.delete_one(this))

        await self._write_and_invalidate(owner or await self._user_of(notification_id), remove)

    async def _user_of(self, notification_id: str) -> str:
        user_id: str = (await self.get(notification_id, None, ["userId"]))["userId"]
        return user_id

    async def count_unread(self, user_id: str) -> tuple[int, bool]:
        """Return the number of the user's unread notifications, at most 1,000, and whether there are more."""
        unread = self._alive(userId=user_id, read=False)
        count = await self._store.run(
            "notifications.count_unread", lambda: self._rows.count_documents(unread, limit=MAX_COUNT + 1)
        )
        return min(count, MAX_COUNT), count > MAX_COUNT

    async def stats(self, user_id: str) -> list[Document]:
        """Count the user's notifications by channel, as documents of `_id` (the channel), `total` and `unread`."""
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
        # MongoDB's TTL monitor is late by a minute or more. Expired notifications must not be visible meanwhile.
        return {**equal, "expiresAt": {"$gt": self._clock()}}

    def _one(self, notification_id: str, owner: str | None) -> Document:
        return self._alive(_id=notification_id) | ({} if owner is None else {"userId": owner})

    def _matching(self, selection: Selection) -> Document:
        matching = self._alive(userId=selection.user_id)
        if selection.unread_only:
            # With `False`, the planner could use the index of unread notifications, which has another order.
            matching["read"] = {"$ne": True}
        if selection.channel is not None:
            matching["type"] = selection.channel
        return matching


def _not_found() -> NotFound:
    return NotFound("NOTIFICATION_NOT_FOUND", "the notification does not exist")
