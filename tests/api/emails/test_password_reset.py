"""Forgotten passwords by HTTP."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.api.emails.conftest import ORIGIN, Person, Site, person_at, token_of
from tests.harness.people import PASSWORD, new_email

NEW = "a new long password"


def reset_link(person: Person, **body: object) -> str:
    assert person.post("/request-password-reset", email=person.email, **body).status_code == 200
    return person.next_link()


def test_a_forgotten_password_is_replaced_by_way_of_the_mail(ann: Person) -> None:
    """A6: every session ends."""
    ann.sign_up()
    link = reset_link(ann, redirectTo="/reset?x=1")
    token = token_of(link.partition("?")[0])
    answer = ann.get(link)
    assert (answer.status_code, answer.content) == (302, b"")
    assert answer.headers["location"] == f"{ORIGIN}/reset?x=1&token={token}"
    assert ann.post("/reset-password", newPassword=NEW, token=token).json() == {"status": True}
    assert ann.session() is None
    assert ann.sign_in(PASSWORD).status_code == 401
    assert ann.sign_in(NEW).status_code == 200
    again = ann.post("/reset-password", newPassword=NEW, token=token)
    assert (again.status_code, again.json()) == (400, {"message": "Invalid token", "code": "INVALID_TOKEN"})
    assert ann.get(link).headers["location"] == f"{ORIGIN}/reset?x=1&error=INVALID_TOKEN"


def test_of_twenty_resets_at_once_one_sets_its_password(ann: Person) -> None:
    """A5."""
    ann.sign_up()
    token = token_of(reset_link(ann).partition("?")[0])

    def reset(number: int) -> httpx.Response:
        return ann.client.post(f"/api/auth/reset-password?token={token}", json={"newPassword": f"{NEW} {number}"})

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(reset, range(20)))
    won = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.json().get("code") for answer in answers if answer.status_code != 200} == {"INVALID_TOKEN"}
    assert ann.sign_in(f"{NEW} {won[0]}").status_code == 200


def test_known_and_unknown_addresses_are_answered_alike(ann: Person) -> None:
    """A3: status, body and headers."""
    ann.sign_up()
    began = time.monotonic()
    answers = [ann.post("/request-password-reset", email=email) for email in (ann.email, new_email())]
    assert time.monotonic() - began >= 1, "each takes half a second at least"
    assert answers[0].json() == {
        "status": True,
        "message": "If this email exists in our system, check your email for the reset link",
    }
    assert answers[0].content == answers[1].content
    assert sorted(answers[0].headers.keys()) == sorted(answers[1].headers.keys())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"newPassword": NEW}, "INVALID_TOKEN"),
        ({"newPassword": NEW, "token": "bad"}, "INVALID_TOKEN"),
        ({"newPassword": "short", "token": "bad"}, "PASSWORD_TOO_SHORT"),
        ({"newPassword": "", "token": "bad"}, "PASSWORD_TOO_SHORT"),
        ({"newPassword": "x" * 129, "token": "bad"}, "PASSWORD_TOO_LONG"),
        ({"token": "bad"}, "VALIDATION_ERROR"),
        ({"newPassword": NEW, "token": {"$ne": ""}}, "VALIDATION_ERROR"),
    ],
)
def test_a_reset_that_is_no_good_is_refused(ann: Person, body: dict[str, object], code: str) -> None:
    answer = ann.post("/reset-password", **body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/reset-password/bad?callbackURL=/r", 302, f"{ORIGIN}/r?error=INVALID_TOKEN"),
        ("/reset-password/bad?callbackURL=", 302, f"{ORIGIN}/api/auth/error?error=INVALID_TOKEN"),
        (f"/reset-password/bad?callbackURL={ORIGIN}", 302, f"{ORIGIN}/?error=INVALID_TOKEN"),
        (
            "/reset-password/bad?callbackURL=/r%3Fa%3Db~c*%26token%3Dx%23f",
            302,
            f"{ORIGIN}/r?a=b%7Ec*&token=x&error=INVALID_TOKEN#f",
        ),
        ("/reset-password/bad", 400, None),
        ("/reset-password/bad?callbackURL=https://e.vil", 403, None),
        ("/reset-password/?callbackURL=/r", 404, None),
        ("/reset-password/a/b?callbackURL=/r", 404, None),
    ],
)
def test_the_link_of_the_mail_leads_where_the_original_leads(
    ann: Person, path: str, status: int, location: str | None
) -> None:
    answer = ann.get(path)
    assert (answer.status_code, answer.headers.get("location")) == (status, location)


def test_the_host_header_decides_no_link(ann: Person) -> None:
    """C4, I7: a mail leads to TRIVET_BASE_URL, whatever host a request named."""
    ann.sign_up()
    forged = {"host": "e.vil", "x-forwarded-host": "e.vil", "x-forwarded-proto": "https", "forwarded": "host=e.vil"}
    answer = ann.client.post("/api/auth/request-password-reset", json={"email": ann.email}, headers=forged)
    assert answer.status_code == 200
    ann.next_link()
    assert "e.vil" not in str(ann.mails())


def test_resets_can_be_turned_off(sites: Site) -> None:
    with person_at(sites(TRIVET_PASSWORD_RESET="off", TRIVET_CHANGE_EMAIL="off", TRIVET_DELETE_USER="off")) as ann:
        answer = ann.post("/request-password-reset", email=ann.email)
        assert answer.status_code == 400
        assert answer.json() == {"message": "Reset password isn't enabled", "code": "RESET_PASSWORD_DISABLED"}
