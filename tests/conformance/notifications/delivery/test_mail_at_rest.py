"""What of a mail is in MongoDB, from when it is told of until it is sent, on each engine."""

from dataclasses import replace
from datetime import timedelta

import pytest
from bson import encode

from runtime.errors import FailedPrecondition
from runtime.sealing import BrokenSealError
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.delivery.email.message import Email
from services.notifications.delivery.email.sealed_mail import SealedMail
from services.notifications.inbox.draft import Draft
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.pages import Selection
from tests.conformance.notifications.conftest import SEALED_MAIL, TTL, House, as_stored

CANARY = "canary-0123456789"
EMAIL = Email(
    "ann@x.io", f"Your code {CANARY}", f"https://x.io/v?t={CANARY}", f"<a href='https://x.io/?t={CANARY}'>v</a>"
)
DRAFT = Draft("ann", "Verify your address", channel="email", topic="account.verify", email=EMAIL, request_id="mail:1")


class Unsealed(SealedMail):
    """The protection off."""

    def seal(self, email: Email, notification_id: str) -> str:
        return f"{email}"


async def dump(at: House) -> bytes:
    """Return all that the database holds, as bytes."""
    names = await at.store.database.list_collection_names()
    return b"".join([encode(row) for name in names async for row in at.store.database[name].find()])


async def test_neither_a_kept_nor_a_queued_mail_is_to_be_read_in_the_database(at: House) -> None:
    """I4, A5: subject, bodies and address; the title is stored as it is, which shows that the search finds."""
    await at.notifications.create(DRAFT, "shop")
    await at.sending.create(DRAFT, "identity")
    stored = await dump(at)
    assert stored.count(DRAFT.title.encode()) == 2
    assert CANARY.encode() not in stored
    assert EMAIL.to.encode() not in stored


async def test_without_the_seal_the_search_would_find_it(at: House) -> None:
    """The protection off."""
    plain = MailPolicy(Unsealed([bytes(32)]), sends_mail=True)
    await Notifications(
        at.store, plain, Deliveries(at.store), at.tombstones, at.preferences, ttl=TTL, clock=at.clock
    ).create(DRAFT, "shop")
    assert CANARY.encode() in await dump(at)


async def test_a_sealed_mail_opens_for_its_own_notification_alone(at: House) -> None:
    created = await at.sending.create(DRAFT, "shop")
    assert SEALED_MAIL.open(created["delivery"]["mail"], created["_id"]) == EMAIL
    with pytest.raises(BrokenSealError):
        SEALED_MAIL.open(created["delivery"]["mail"], "another")


@pytest.mark.parametrize("is_sent", [True, False], ids=["sent", "given up"])
async def test_nothing_of_a_mail_is_left_once_it_was_sent_or_given_up(at: House, is_sent: bool) -> None:
    created = await at.sending.create(DRAFT, "shop")
    claim = await at.queue.claim()
    assert claim is not None
    assert await (at.queue.mark_sent(claim) if is_sent else at.queue.mark_failed(claim, "550"))
    rows = [await at.store.database.notifications.find_one({"_id": created["_id"]})]
    rows.append(await at.store.database.deliveries.find_one({"notificationId": created["_id"]}))
    for row in rows:
        assert row is not None
        assert not {"mail", "email", "delivery", "lease", "leaseUntil", "nextAttemptAt"} & set(row)


async def test_a_mail_is_no_unread_notification_and_the_list_shows_its_title(at: House) -> None:
    await at.sending.create(DRAFT, "shop")
    assert await at.notifications.count_unread("ann") == (0, False)
    assert await at.titles("ann") == [DRAFT.title]
    assert (
        await at.notifications.page(Selection("ann", unread_only=True), encode=as_stored, size=9)
    ).notifications == []
    assert await at.notifications.stats("ann") == [{"_id": "email", "total": 1, "unread": 0}]


@pytest.mark.parametrize("is_sent", [False, True], ids=["waiting", "sent"])
async def test_a_request_told_twice_is_one_mail_and_another_mail_is_refused(at: House, is_sent: bool) -> None:
    """R25: also when nothing is left of the first to compare with."""
    first = await at.sending.create(DRAFT, "shop")
    if is_sent:
        claim = await at.queue.claim()
        assert claim is not None
        await at.queue.mark_sent(claim)
    assert (await at.sending.create(DRAFT, "shop"))["_id"] == first["_id"]
    assert await at.store.database.notifications.count_documents({}) == 1
    for change in ({"to": "eve@x.io"}, {"subject": "s"}, {"text": "t"}, {"html": ""}):
        with pytest.raises(FailedPrecondition) as refused:
            await at.sending.create(replace(DRAFT, email=replace(EMAIL, **change)), "shop")
        assert refused.value.reason == "REQUEST_ID_REUSED"


async def test_a_request_is_known_again_when_the_key_was_changed_in_between(at: House) -> None:
    old, new = b"the old key of thirty-two bytes.", b"the new key of thirty-two bytes."

    def under(*keys: bytes) -> Notifications:
        return Notifications(
            at.store,
            MailPolicy(SealedMail(keys), sends_mail=True),
            Deliveries(at.store),
            at.tombstones,
            at.preferences,
            ttl=TTL,
            clock=at.clock,
        )

    first = await under(old).create(DRAFT, "shop")
    assert (await under(new, old).create(DRAFT, "shop"))["_id"] == first["_id"]
    with pytest.raises(FailedPrecondition):
        await under(new).create(DRAFT, "shop")


def test_a_fingerprint_is_told_by_whoever_has_the_key_alone() -> None:
    """A code of six digits could be found from a plain hash."""
    made = SEALED_MAIL.fingerprint(EMAIL, "shop", "1")
    assert SEALED_MAIL.is_same(made, EMAIL, "shop", "1")
    assert not SEALED_MAIL.is_same(made, EMAIL, "shop", "2")
    assert not SealedMail([b"another key that has thirty-two."]).is_same(made, EMAIL, "shop", "1")


async def test_a_mail_that_waits_cannot_be_removed_and_one_that_is_done_can(at: House) -> None:
    """A8: whoever has stolen a session must not take back the mail that warns of it."""
    created = await at.sending.create(DRAFT, "shop")
    with pytest.raises(FailedPrecondition) as refused:
        await at.notifications.delete(created["_id"], "ann")
    assert refused.value.reason == "MAIL_NOT_SENT_YET"
    claim = await at.queue.claim()
    assert claim is not None
    await at.queue.mark_sent(claim)
    at.clock.move(timedelta(seconds=1))
    await at.notifications.delete(created["_id"], "ann")
    assert await at.titles("ann") == []
