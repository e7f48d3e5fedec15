"""What mails hold: no more than their template, whatever a name or an address holds."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.identity.email import templates as module
from services.identity.email.links import Links
from services.identity.email.templates import TEMPLATES, Mailer, MailTemplate, one_line, salutation
from services.identity.outbox.mail import Mail
from services.identity.users.users import Role, User

BASE_URL = "https://app.example.com"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
NASTY = [
    "Ann\r\nBcc: all@example.com",
    "<script>alert(1)</script>",
    "https://e.vil/login",
    "www.e.vil",
    "e.vil",
    "{{ link }}",
    "Click here: e.vil",
    "Ann\u2028Bob",
    "x" * 65,
    "",
]


class Kept:
    """A post that keeps what is put into it."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    async def put(self, _: object, mail: Mail) -> None:
        self.mails.append(mail)


async def written(name: str = "Ann", email: str = "ann@x.io", new_email: str = "new@x.io") -> Sequence[Mail]:
    """Return one mail of each kind."""
    kept, transaction = Kept(), object()
    mails: Any = Mailer(kept, Links(BASE_URL, ("s" * 32,)), BASE_URL)  # type: ignore[arg-type]  # a post that keeps
    user = User("u", email, name, None, False, Role.USER, False, None, None, NOW, NOW)
    await mails.verify_email(transaction, user, "/v")
    await mails.reset_password(transaction, user, "T" * 24, "/r")
    await mails.confirm_change(transaction, user, new_email, "/c")
    await mails.verify_change(transaction, user, new_email, "/c")
    await mails.email_changed(transaction, user, new_email)
    await mails.delete_account(transaction, user, "t" * 32, "/d")
    return kept.mails


def addresses(text: str) -> list[str]:
    return re.findall(r"[a-z]+://[^\s\"<]+", text)


async def test_every_letter_is_written_in_both_forms_with_its_link() -> None:
    mails = await written()
    letters = [letter.value[0] for letter in MailTemplate]
    assert [mail.about.removeprefix("account.") for mail in mails] == letters, "have written() above write each once"
    for mail in mails:
        assert "Hello Ann," in mail.text
        assert "Hello Ann," in mail.html
        links = addresses(mail.text)
        assert len(links) == (0 if mail.about == "account.email-changed" else 1)
        assert links == addresses(mail.html.replace("&amp;", "&"))
        assert all(link.startswith(f"{BASE_URL}/api/auth/") for link in links), "I7"
        assert not any(link in mail.title + mail.subject for link in links)


@pytest.mark.parametrize("name", NASTY)
async def test_a_name_that_is_none_greets_nobody(name: str) -> None:
    """I7: who writes the name need not be who reads the mail."""
    usual = await written("")
    assert [(mail.subject, mail.html, mail.text) for mail in await written(name)] == [
        (mail.subject, mail.html, mail.text) for mail in usual
    ]


@pytest.mark.parametrize("name", ["Ann", "José María", "O'Hara", "Jean-Luc", "李雷", "Zoë"])
def test_a_name_greets_its_owner(name: str) -> None:
    assert salutation(name) == f" {name}"


async def test_addresses_are_of_one_line_and_escaped() -> None:
    """I7: header injection, and what HTML would obey."""
    for mail in await written(email="ann@x.io\r\nBcc: all@x.io", new_email="<b>&@x.io\r\nX: y"):
        assert not set(mail.to + mail.subject) & set("\r\n")
        assert "<b>&" not in mail.html


async def test_without_escaping_the_markup_would_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """I7, without the protection."""
    unescaped = module._environment().overlay(autoescape=False)
    monkeypatch.setattr(module, "_environment", lambda: unescaped)
    assert any("<b>&" in mail.html for mail in await written(new_email="<b>&@x.io"))


async def test_a_mail_to_nobody_is_like_one_to_somebody() -> None:
    """A3: as much is written, sealed and stored."""
    kept = Kept()
    mails: Any = Mailer(kept, Links(BASE_URL, ("s" * 32,)), BASE_URL)  # type: ignore[arg-type]  # a post that keeps
    await mails.decoy(object(), "/v")
    (nobody,), somebody = kept.mails, (await written())[0]
    assert nobody.to == ""
    assert abs(len(json.dumps(nobody.text)) - len(json.dumps(somebody.text))) < 100


def test_what_ends_a_line_is_taken_out() -> None:
    assert one_line("a\r\n\x00\x85\u2028b") == "ab"


def test_every_template_has_both_forms() -> None:
    names = {letter.value[0] for letter in MailTemplate} | {"page"}
    assert {path.name for path in Path(TEMPLATES).iterdir()} == {
        f"{name}.{form}" for name in names for form in ("txt", "html")
    }
