"""How a mail is written, and how long it waits for its next try."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address

import pytest

from runtime.background.backoff import RetryPolicy
from services.notifications.delivery.email.message import Email
from services.notifications.delivery.email.smtp import OutgoingMail, compose
from services.notifications.delivery.email.smtp_replies import PermanentFailureError

SENDER = Address("Trivet", addr_spec="noreply@example.com")
MAIL = OutgoingMail(Email("ann@x.io", "Hello", "text"), "id1", datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize("separator", ["\r\n", "\n", "\r", "\x00", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("field", ["to", "subject"])
def test_no_header_can_be_added_through_another(field: str, separator: str) -> None:
    """I7: also if what is stored got past the check that it came in by."""
    email = replace(MAIL.email, **{field: f"x{separator}Bcc: all@x.io"})
    with pytest.raises(PermanentFailureError):
        compose(replace(MAIL, email=email), SENDER)


def test_the_same_mail_has_the_same_headers_each_time_it_is_sent() -> None:
    """Whoever gets it twice can tell by its Message-ID."""
    first, second = compose(MAIL, SENDER), compose(MAIL, SENDER)
    assert first.items() == second.items()
    assert first["Date"] == "Sun, 01 Mar 2026 12:00:00 +0000"


def test_a_mail_without_html_has_one_body() -> None:
    assert compose(MAIL, SENDER).get_content_type() == "text/plain"


def test_pauses_double_up_to_a_quarter_of_an_hour_and_are_spread() -> None:
    policy = RetryPolicy(12, timedelta(seconds=5))
    for attempts, bound in ((1, 5), (2, 10), (5, 80), (8, 640), (9, 900), (99, 900)):
        pauses = {policy.pause(attempts).total_seconds() for _ in range(50)}
        assert bound / 2 <= min(pauses) < max(pauses) <= bound


def test_where_attempts_are_not_counted_a_pause_is_as_long_as_the_wait_so_far() -> None:
    policy = RetryPolicy(12, timedelta(seconds=5))
    for age, bound in ((0, 5), (7, 7), (300, 300), (86_400, 900)):
        pauses = {policy.pause_at(timedelta(seconds=age)).total_seconds() for _ in range(50)}
        assert bound / 2 <= min(pauses) < max(pauses) <= bound
