"""Deliveries: one document per notification, channel and target. New ones move here out of their notifications."""

from collections.abc import Sequence

from pymongo.asynchronous.collection import AsyncCollection

from runtime.clock import Clock, utc_now
from runtime.ids import new_id
from services.notifications.delivery.collections import DELIVERIES
from services.notifications.inbox.collections import NOTIFICATIONS
from services.notifications.store.bulk_writes import insert_missing
from services.notifications.store.mongo import Document, Store

KEPT, QUEUED, SENDING, SENT, FAILED = "kept", "queued", "sending", "sent", "failed"
EMAIL = "email"
TO_TARGET = "to"
"""The target of a mail. It stands for the recipient, whose address is sealed together with the mail."""
SWEEP_SECONDS = 10.0
# SecantusDB inserts some 100 to 250 documents a second. A batch must finish before the store's time-out.
BATCH = 50
STATE_FIELDS = ("status", "attempts", "mail", "nextAttemptAt", "sentAt", "lastError")
# The fields that an older version stored in the notification. `sentAt` stays there, as the notification's send time.
OLD_FIELDS = ("status", "attempts", "mail", "nextAttemptAt", "lastError", "lease", "leaseUntil")
INHERITED_FIELDS = ("userId", "createdAt", "updatedAt", "expiresAt")
FIELDS = dict.fromkeys((*INHERITED_FIELDS, *STATE_FIELDS, *OLD_FIELDS, "delivery"), 1)


def email_delivery(mail: str, **state: object) -> Document:
    """Return the delivery of a sealed mail, in the form of a new notification's field `delivery`."""
    return {"channel": EMAIL, "target": TO_TARGET, "mail": mail, **state}


class Deliveries:
    """The collection.

    One write stores a notification together with its delivery, in its field `delivery`. `move` moves the delivery to
    this collection. Both steps of a move are idempotent, and `sweep` completes the moves that a crash has interrupted.
    So each stored notification gets exactly one delivery without a transaction, which a single MongoDB server does not
    have. Every method raises Unavailable if the store cannot be reached.
    """

    def __init__(self, store: Store, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._rows = store.collection(DELIVERIES)
        self._clock = clock

    async def move(self, notification: Document) -> None:
        """Move the delivery out of a notification. Do nothing if it was moved before."""
        await self._store.run("deliveries.move", lambda: _move(self._store, [notification]))

    async def sweep(self) -> None:
        """Move all deliveries that are still inside their notifications, in this version's form or an older one."""
        while await self._store.run("deliveries.sweep", lambda: migrate(self._store, self._clock)):
            pass

    async def is_pending(self, notification_id: str) -> bool:
        """Return whether a delivery of the notification is neither sent, failed nor kept yet."""
        waiting = {"notificationId": notification_id, "nextAttemptAt": {"$exists": True}}
        return await self._store.run("deliveries.get", lambda: self._rows.find_one(waiting, {"_id": 1})) is not None

    async def delete(self, notification_id: str) -> None:
        """Delete the notification's deliveries. Without any, do nothing."""
        its = {"notificationId": notification_id}
        await self._store.run("deliveries.delete", lambda: self._rows.delete_many(its))


async def migrate(store: Store, clock: Clock = utc_now) -> int:
    """Move one batch of the deliveries that are inside their notifications. Return the number that was found.

    A mail that an older process is sending stays with that process until its lease ends. Then a later batch finds it.
    """
    rows, now = store.collection(NOTIFICATIONS), clock()
    no_lease = {"$or": [{"leaseUntil": None}, {"leaseUntil": {"$lte": now}}]}
    former = await rows.find({"status": {"$exists": True}} | no_lease, FIELDS).limit(BATCH).to_list()
    for row in former:
        await _convert(rows, row)
    pending = await rows.find({"delivery.status": {"$exists": True}}, FIELDS).limit(BATCH).to_list()
    await _move(store, pending)
    return len(former) + len(pending)


async def _convert(rows: AsyncCollection[Document], row: Document) -> None:
    """Rewrite a notification of an older version to the present form, unless it has changed since it was read.

    After this one write, an older process does not find the mail any more.
    """
    delivery = {"channel": EMAIL, "target": TO_TARGET, **{key: row[key] for key in STATE_FIELDS if key in row}}
    if delivery["status"] == SENDING:  # its lease has ended, so its worker is gone
        delivery["status"] = QUEUED
    unchanged = {key: row.get(key) for key in ("_id", "status", "attempts", "nextAttemptAt", "lease")}
    await rows.update_one(unchanged, {"$set": {"delivery": delivery}, "$unset": dict.fromkeys(OLD_FIELDS, "")})


async def _move(store: Store, notifications: Sequence[Document]) -> None:
    """Insert the deliveries, then remove them from their notifications."""
    if not notifications:
        return
    rows, deliveries = store.collection(NOTIFICATIONS), store.collection(DELIVERIES)
    ids = [notification["_id"] for notification in notifications]
    await insert_missing(deliveries, [_document(notification) for notification in notifications])
    moved = await rows.update_many({"_id": {"$in": ids}}, {"$unset": {"delivery": ""}})
    if moved.matched_count == len(ids):
        return
    # A notification was deleted or erased in between. Its delivery must be deleted too.
    there = {row["_id"] for row in await rows.find({"_id": {"$in": ids}}, {"_id": 1}).to_list()}
    await deliveries.delete_many({"notificationId": {"$in": [each for each in ids if each not in there]}})


def _document(notification: Document) -> Document:
    inherited = {key: notification[key] for key in INHERITED_FIELDS}
    return {"_id": new_id(), "notificationId": notification["_id"], **inherited, **notification["delivery"]}
