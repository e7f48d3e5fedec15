"""The mail queue: a worker claims a delivery under a lease, then marks it sent or failed, or reschedules it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import ASCENDING, ReturnDocument

from runtime.clock import Clock, utc_now
from runtime.ids import new_id
from services.notifications.delivery.collections import DELIVERIES
from services.notifications.delivery.deliveries import FAILED, QUEUED, SENDING, SENT
from services.notifications.inbox.collections import NOTIFICATIONS
from services.notifications.store.mongo import Document, Store

MAX_COUNTED = 10_000
# The fields that only a pending delivery has. The mail is one of them, so it is erased when the delivery ends.
PENDING_FIELDS = ("mail", "nextAttemptAt", "leaseUntil", "lease")


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this worker holds until `lease_until`. `attempts` includes this one. `mail` is sealed."""

    id: str
    notification_id: str
    mail: str
    attempts: int
    created_at: datetime
    lease: str
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The number of pending deliveries, up to 10,000, and the creation time of the oldest. None if none is pending."""

    count: int = 0
    oldest: datetime | None = None


class Queue:
    """The pending deliveries. Each is due at its `nextAttemptAt`.

    While a delivery is claimed, `nextAttemptAt` is the end of the lease. So a mail whose worker died becomes due again.
    A lease belongs to one claim: a worker that lost its lease changes nothing. The clocks of workers can differ by at
    most the time by which a lease is longer than an attempt. Every method raises Unavailable if the store cannot be
    reached.
    """

    def __init__(self, store: Store, *, lease: timedelta, clock: Clock = utc_now) -> None:
        self._store = store
        self._rows = store.collection(DELIVERIES)
        self._notifications = store.collection(NOTIFICATIONS)
        self._lease = lease
        self._clock = clock

    async def claim(self) -> Claim | None:
        """Claim the delivery that has been due longest. Return None if none is due. Expired ones are skipped."""
        now, lease = self._clock(), new_id()
        until = now + self._lease
        taken = {"status": SENDING, "lease": lease, "leaseUntil": until, "nextAttemptAt": until, "updatedAt": now}
        row = await self._store.run(
            "deliveries.claim",
            lambda: self._rows.find_one_and_update(
                {"nextAttemptAt": {"$lte": now}, "expiresAt": {"$gt": now}},
                {"$set": taken, "$inc": {"attempts": 1}},
                {"notificationId": 1, "mail": 1, "attempts": 1, "createdAt": 1},
                sort=[("nextAttemptAt", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            ),
        )
        if row is None:
            return None
        return Claim(row["_id"], row["notificationId"], row["mail"], row["attempts"], row["createdAt"], lease, until)

    async def mark_sent(self, claim: Claim) -> bool:
        """Mark the delivery sent, set the send time, and erase the mail. Return False if the lease was lost."""
        now = self._clock()
        this, sent = {"_id": claim.notification_id}, {"$set": {"sentAt": now, "updatedAt": now}}

        async def mark_notification() -> bool:
            if await self._rows.find_one(_claimed(claim), {"_id": 1}) is None:
                return False
            await self._notifications.update_one(this, sent)
            return True

        # The notification comes first. After a crash in between, the delivery is still under its lease and the mail is
        # sent again, as after any crash before the mark. The other order could leave a sent mail without a send time.
        if not await self._store.run("notifications.sent", mark_notification):
            return False
        return await self._end(claim, {"status": SENT, "sentAt": now}, "lastError")

    async def mark_failed(self, claim: Claim, why: str) -> bool:
        """Mark the delivery failed with the reason `why`, and erase the mail. Return False if the lease was lost."""
        return await self._end(claim, {"status": FAILED, "lastError": why})

    async def reschedule(self, claim: Claim, by: timedelta, why: str, *, is_counted: bool = True) -> bool:
        """Make the delivery due again after the time `by`. Return False if the lease was lost.

        Unless `is_counted`, the attempt does not count.
        """
        now = self._clock()
        later = {"status": QUEUED, "nextAttemptAt": now + by, "lastError": why, "updatedAt": now}
        change: Document = {"$set": later, "$unset": dict.fromkeys(("lease", "leaseUntil"), "")}
        return await self._change(claim, change if is_counted else change | {"$inc": {"attempts": -1}})

    async def depth(self) -> QueueDepth:
        """Count the pending deliveries, whether due now or later."""
        not_done: list[Document] = [
            {"$match": {"nextAttemptAt": {"$exists": True}}},
            {"$limit": MAX_COUNTED},
            {"$group": {"_id": None, "count": {"$sum": 1}, "oldest": {"$min": "$createdAt"}}},
        ]

        async def count() -> list[Document]:
            return await (await self._rows.aggregate(not_done)).to_list()

        found = await self._store.run("deliveries.waiting", count)
        return QueueDepth(found[0]["count"], found[0]["oldest"]) if found else QueueDepth()

    async def _end(self, claim: Claim, outcome: Document, *removed: str) -> bool:
        change = {
            "$set": {**outcome, "updatedAt": self._clock()},
            "$unset": dict.fromkeys((*PENDING_FIELDS, *removed), ""),
        }
        return await self._change(claim, change)

    async def _change(self, claim: Claim, change: Document) -> bool:
        this = _claimed(claim)
        done = await self._store.run("deliveries.mark", lambda: self._rows.update_one(this, change))
        return done.matched_count == 1


def _claimed(claim: Claim) -> Document:
    return {"_id": claim.id, "lease": claim.lease}
