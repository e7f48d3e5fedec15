"""Mail that development keeps, on each engine."""

from datetime import timedelta

import pytest

from runtime.clock import from_timestamp
from runtime.errors import FailedPrecondition, InvalidArgument
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.delivery.email.mailbox import Mailbox, links
from services.notifications.delivery.email.message import Email
from services.notifications.delivery.email.messages import encode_mailbox_message
from services.notifications.delivery.email.sealed_mail import SealedMail
from services.notifications.inbox.draft import Draft
from services.notifications.inbox.messages import KEYS, encode_notification
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.pages import Selection
from tests.conformance.notifications.conftest import SEALED_MAIL, TTL, House, as_stored
from trivet.notifications.v1.mailbox_service_pb2 import MailboxMessage


def mail(number: int) -> Draft:
    return Draft(
        "ann", f"Mail {number}", channel="email", email=Email("ann@x.io", f"Mail {number}", "text", "<p>html</p>")
    )


async def newest(at: House) -> list[MailboxMessage]:
    """Return the first page."""
    return (await at.mailbox.page(size=100, encode=encode_mailbox_message))[0]


async def test_kept_mail_is_shown_newest_first_page_by_page(at: House) -> None:
    await at.tell("ann", "not a mail")
    await at.notifications.create(mail(0), "tests")
    example = await at.store.database.deliveries.find_one({})
    assert example is not None
    ids = [f"~{number:03}" for number in range(120)]
    later = [
        {**example, "_id": each, "notificationId": each, "mail": sealed(number, each)}
        for number, each in enumerate(ids)
    ]
    await at.store.database.deliveries.insert_many(later)
    kept, token = await at.mailbox.page(size=100, encode=encode_mailbox_message)
    assert [each.subject for each in kept] == [f"Mail {number}" for number in range(119, 19, -1)]
    rest, token = await at.mailbox.page(size=100, encode=encode_mailbox_message, page_token=token)
    assert [each.subject for each in rest] == [f"Mail {number}" for number in (*range(19, -1, -1), 0)]
    assert token == ""


async def test_a_token_of_another_list_is_refused_by_the_mailbox(at: House) -> None:
    await at.tell("ann", "one", "two")
    token = (await at.notifications.page(Selection("ann"), encode=as_stored, size=1)).next_page_token
    with pytest.raises(InvalidArgument):
        await at.mailbox.page(size=1, encode=encode_mailbox_message, page_token=token)


def sealed(number: int, notification_id: str) -> str:
    email = mail(number).email
    assert email is not None
    return SEALED_MAIL.seal(email, notification_id)


async def test_kept_mail_is_shown_whole(at: House) -> None:
    created = await at.notifications.create(mail(1), "tests")
    [kept] = await newest(at)
    shown = Email(kept.to, kept.subject, kept.text, kept.html)
    assert (shown, from_timestamp(kept.create_time)) == (mail(1).email, created["createdAt"])


async def test_a_mail_whose_key_is_gone_says_so_and_the_others_are_shown(at: House) -> None:
    await at.notifications.create(mail(1), "tests")
    others = MailPolicy(SealedMail([b"another key that has thirty-two."]), keeps_mail=True)
    at.clock.move(timedelta(seconds=1))
    await Notifications(
        at.store, others, Deliveries(at.store), at.tombstones, at.preferences, ttl=TTL, clock=at.clock
    ).create(mail(2), "tests")
    lost, shown = await newest(at)
    assert "TRIVET_SEAL_KEYS" in lost.subject
    assert shown.subject == "Mail 1"


async def test_the_mail_itself_is_never_part_of_a_notification_answered(at: House) -> None:
    created = await at.notifications.create(mail(1), "tests")
    assert "email" not in KEYS
    assert not encode_notification(created).HasField("email")
    answered = await at.notifications.get(created["_id"], "ann", list(KEYS.values()))
    assert not {"email", "mail", "fingerprint"} & set(answered)


async def test_in_production_there_is_no_mailbox(at: House) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        await Mailbox(at.store, SEALED_MAIL, on=False).page(size=1, encode=encode_mailbox_message)
    assert refused.value.reason == "MAILBOX_OFF"


def test_links_are_found_in_both_bodies_in_order_and_once() -> None:
    html = "<a href=\"https://x.io/verify?a=1&amp;b=2\">go</a> <img src='http://x.io/i.png'>"
    text = "Go to https://x.io/verify?a=1&b=2, or see (https://x.io/help). ftp://x.io javascript:alert(1)"
    assert links(html, text) == ["https://x.io/verify?a=1&b=2", "http://x.io/i.png", "https://x.io/help"]
