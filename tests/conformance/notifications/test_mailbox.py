"""Mail that development keeps, on each engine."""

import pytest

from runtime.errors import FailedPrecondition
from services.notifications.drafts import Draft, Email
from services.notifications.mailbox import Mailbox, links
from services.notifications.messages import KEYS, notification
from tests.conformance.notifications.conftest import House


def mail(number: int) -> Draft:
    return Draft(
        "ann", f"Mail {number}", kind="email", email=Email("ann@x.io", f"Mail {number}", "text", "<p>html</p>")
    )


async def test_kept_mail_is_shown_newest_first_up_to_a_hundred(at: House) -> None:
    await at.tell("ann", "not a mail")
    example = await at.notifications.create(mail(0), "tests")
    later = [
        {**example, "_id": f"~{number:03}", "email": {**example["email"], "subject": f"{number}"}}
        for number in range(120)
    ]
    await at.store.notifications.insert_many(later)
    kept = await at.mailbox.newest()
    assert [row["email"]["subject"] for row in kept] == [str(number) for number in range(119, 19, -1)]


async def test_kept_mail_is_stored_whole_under_the_status_kept(at: House) -> None:
    created = await at.notifications.create(mail(1), "tests")
    stored = await at.store.notifications.find_one({"_id": created["_id"]})
    assert stored is not None
    assert stored["status"] == "kept"
    assert stored["email"] == {"to": "ann@x.io", "subject": "Mail 1", "text": "text", "html": "<p>html</p>"}


async def test_the_mail_itself_is_never_part_of_a_notification_answered(at: House) -> None:
    created = await at.notifications.create(mail(1), "tests")
    assert "email" not in KEYS
    assert not notification(created).HasField("email")
    assert "email" not in await at.notifications.get(created["_id"], "ann", list(KEYS.values()))


async def test_in_production_there_is_no_mailbox(at: House) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        await Mailbox(at.store, on=False).newest()
    assert refused.value.reason == "MAILBOX_OFF"


def test_links_are_found_in_both_bodies_in_order_and_once() -> None:
    html = "<a href=\"https://x.io/verify?a=1&amp;b=2\">go</a> <img src='http://x.io/i.png'>"
    text = "Go to https://x.io/verify?a=1&b=2, or see (https://x.io/help). ftp://x.io javascript:alert(1)"
    assert links(html, text) == ["https://x.io/verify?a=1&b=2", "http://x.io/i.png", "https://x.io/help"]
