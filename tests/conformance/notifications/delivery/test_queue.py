"""Mail that is to be sent, claimed under leases, on each engine."""

import asyncio
from datetime import timedelta

from services.notifications.delivery.email.message import Email
from services.notifications.delivery.queue import Claim, QueueDepth
from services.notifications.inbox.draft import Draft
from services.notifications.store.mongo import Document
from tests.conformance.notifications.conftest import LEASE, SEALED_MAIL, House

SECOND = timedelta(seconds=1)


async def post(at: House, *subjects: str, ttl: timedelta | None = None) -> list[Document]:
    """Have one mail per subject sent, a second apart."""
    posted = []
    for subject in subjects:
        draft = Draft("ann", subject, channel="email", email=Email("ann@x.io", subject, "text"), ttl=ttl)
        posted.append(await at.sending.create(draft, "tests"))
        at.clock.move(SECOND)
    return posted


async def claim(at: House) -> Claim:
    found = await at.queue.claim()
    assert found is not None
    return found


async def stored(at: House, claim: Claim) -> Document:
    row = await at.store.database.deliveries.find_one({"_id": claim.id})
    assert row is not None
    return row


async def test_what_is_due_is_claimed_oldest_first_and_once(at: House) -> None:
    posted = await post(at, "1", "2")
    first, second = await claim(at), await claim(at)
    assert [first.notification_id, second.notification_id] == [row["_id"] for row in posted]
    assert await at.queue.claim() is None
    assert SEALED_MAIL.open(first.mail, first.notification_id).subject == "1"
    assert (await stored(at, first))["status"] == "sending"


async def test_twenty_at_once_never_claim_the_same(at: House) -> None:
    await post(at, *"0123456789")
    claims = await asyncio.gather(*(at.queue.claim() for _ in range(20)))
    ids = [claim.notification_id for claim in claims if claim]
    assert len(ids) == len(set(ids)) == 10


async def test_a_mail_whose_worker_died_is_due_again_when_the_lease_has_run_out(at: House) -> None:
    await post(at, "1")
    first = await claim(at)
    at.clock.move(LEASE - SECOND)
    assert await at.queue.claim() is None
    at.clock.move(SECOND)
    second = await claim(at)
    assert (first.attempts, second.attempts) == (1, 2)
    assert second.notification_id == first.notification_id


async def test_without_a_lease_two_workers_would_send_the_same(at: House) -> None:
    """The protection off: what is claimed is due at once again."""
    await post(at, "1")
    first = await claim(at)
    await at.store.database.deliveries.update_one({}, {"$set": {"nextAttemptAt": at.clock.now}})
    assert (await claim(at)).notification_id == first.notification_id


async def test_whoever_has_lost_the_lease_changes_nothing(at: House) -> None:
    await post(at, "1")
    late = await claim(at)
    at.clock.move(LEASE)
    ours = await claim(at)
    before = await stored(at, ours)
    for change in (
        at.queue.mark_sent(late),
        at.queue.mark_failed(late, "550"),
        at.queue.reschedule(late, SECOND, "450"),
    ):
        assert not await change
    assert await stored(at, ours) == before
    assert await at.queue.mark_sent(ours)


async def test_a_mail_that_was_sent_says_when_and_is_never_due_again(at: House) -> None:
    await post(at, "1")
    done = await claim(at)
    assert await at.queue.mark_sent(done)
    row = await stored(at, done)
    assert (row["status"], row["sentAt"], row["attempts"]) == ("sent", at.clock.now, 1)
    at.clock.move(timedelta(days=1))
    assert await at.queue.claim() is None


async def test_a_mail_that_was_put_off_is_due_later_and_says_why(at: House) -> None:
    await post(at, "1")
    first = await claim(at)
    assert await at.queue.reschedule(first, timedelta(minutes=5), "450")
    row = await stored(at, first)
    assert (row["status"], row["lastError"]) == ("queued", "450")
    at.clock.move(timedelta(minutes=5) - SECOND)
    assert await at.queue.claim() is None
    at.clock.move(SECOND)
    again = await claim(at)
    assert await at.queue.mark_sent(again)
    assert "lastError" not in await stored(at, again)


async def test_a_mail_that_was_given_up_says_why_and_stays_so(at: House) -> None:
    await post(at, "1")
    lost = await claim(at)
    assert await at.queue.mark_failed(lost, "550")
    row = await stored(at, lost)
    assert (row["status"], row["lastError"]) == ("failed", "550")
    at.clock.move(timedelta(days=1))
    assert await at.queue.claim() is None


async def test_a_mail_that_has_expired_is_not_sent(at: House) -> None:
    await post(at, "1", ttl=timedelta(minutes=1))
    at.clock.move(timedelta(minutes=1))
    assert await at.queue.claim() is None


async def test_what_waits_is_counted_with_the_time_of_its_oldest(at: House) -> None:
    assert await at.queue.depth() == QueueDepth(0, None)
    first, *_ = await post(at, "1", "2", "3")
    await at.queue.reschedule(await claim(at), timedelta(hours=1), "450")
    assert await at.queue.depth() == QueueDepth(3, first["createdAt"])
    await at.queue.mark_sent(await claim(at))
    assert (await at.queue.depth()).count == 2
