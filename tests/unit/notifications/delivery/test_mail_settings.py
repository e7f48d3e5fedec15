"""What the service is told of the mail server: read in full, refused by name, and never shown."""

from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from runtime.settings import Environment, Keys, SealKeys
from services.notifications.delivery.email.settings import SmtpServer
from services.notifications.settings import NotificationsSettings

FROM = "Trivet <noreply@example.com>"


def settings(url: str, sender: str = FROM, **values: object) -> NotificationsSettings:
    given = {"mongodb_uri": "mongodb://x", "seal_keys": SealKeys([bytes(32)]), "accept_keys": Keys()}
    return NotificationsSettings(smtp_url=url, mail_from=sender, **given | values)  # type: ignore[arg-type]  # as the test says


def server(url: str) -> tuple[str, int, bool, bool, str, str]:
    found: SmtpServer = settings(url).smtp_server
    return found.host, found.port, found.tls, found.starttls, found.user, found.password.get_secret_value()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, False, True, "", "")),
        ("smtp://mail.example.com:25?starttls=off", ("mail.example.com", 25, False, False, "", "")),
        ("smtps://ann:p%40ss%2Fword@mail.example.com", ("mail.example.com", 465, True, False, "ann", "p@ss/word")),
        ("smtp://127.0.0.1:1025", ("127.0.0.1", 1025, False, False, "", "")),
        ("smtp://localhost/", ("localhost", 587, False, False, "", "")),
        ("smtp://[::1]:25?starttls=required", ("::1", 25, False, True, "", "")),
    ],
)
def test_a_url_says_which_server_by_which_way_and_who_we_are(url: str, expected: tuple[object, ...]) -> None:
    assert server(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://hunter2@mail.example.com",
        "smtp://",
        "smtp://ann:hunter2@mail.example.com:port",
        "smtp://ann:hunter2@mail.example.com:99999",
        "smtp://ann:hunter2@mail.example.com/path",
        "smtp://hunter2@mail.example.com",
        "smtp://:hunter2@mail.example.com",
        "smtp://ann:hunter2%0d%0aRCPT@mail.example.com",
        "smtp://ann:hunter2@mail.example.com?starttls=maybe",
        "smtp://ann:hunter2@mail.example.com?tls=off",
        "smtps://ann:hunter2@mail.example.com?starttls=off",
        "smtp://ann:hunter2@[::1",
    ],
)
def test_a_wrong_url_is_refused_by_name_and_not_shown(url: str) -> None:
    """R37, K1."""
    with pytest.raises(ValidationError) as refused:
        settings(url)
    assert "TRIVET_SMTP_URL" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_the_password_shows_nowhere() -> None:
    """K1."""
    found = settings("smtps://ann:hunter2@mail.example.com")
    assert "hunter2" not in f"{found!r}{found.smtp_server!r}{found.smtp_server}"


@pytest.mark.parametrize(
    "sender", ["", "nobody", "a@x.io, b@x.io", "A <a@x.io>\r\nBcc: b@x.io", "A\nB <a@x.io>", "josé@x.io", "<>"]
)
def test_a_sender_is_one_address_on_one_line(sender: str) -> None:
    """I7."""
    with pytest.raises(ValidationError, match="TRIVET_MAIL_FROM"):
        settings("smtp://127.0.0.1", sender)


def test_a_sender_may_have_a_name_of_any_language() -> None:
    found = settings("smtp://127.0.0.1", "Grüße <noreply@example.com>").mail_sender
    assert (found.display_name, found.addr_spec) == ("Grüße", "noreply@example.com")


def test_production_sends_no_mail_in_plain_text_but_to_itself() -> None:
    production: dict[str, Any] = {"environment": Environment.PRODUCTION}
    with pytest.raises(ValidationError, match="not allowed in production"):
        settings("smtp://mail.example.com?starttls=off", **production)
    assert settings("smtp://mail.example.com", **production).smtp_server.starttls
    assert settings("smtp://127.0.0.1", **production).smtp_server.is_plain
    assert settings("smtp://mail.example.com?starttls=off").smtp_server.is_plain  # in development


def test_an_authority_that_cannot_be_read_or_means_nothing_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    for file in (str(wrong), str(tmp_path / "absent.pem")):
        with pytest.raises(ValidationError, match="TRIVET_SMTP_CA_FILE"):
            settings("smtps://mail.example.com", smtp_ca_file=file)
    right = tmp_path / "right.pem"
    trustme.CA().cert_pem.write_to_path(str(right))
    assert settings("smtps://mail.example.com", smtp_ca_file=str(right)).smtp_tls.check_hostname
    with pytest.raises(ValidationError, match="TRIVET_SMTP_CA_FILE"):
        settings("smtp://127.0.0.1", smtp_ca_file=str(right))


def test_without_a_server_nothing_is_sent_and_nothing_else_is_needed() -> None:
    assert not settings("", "").sends_mail
