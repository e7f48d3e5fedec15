"""Proving an address by HTTP: what the answers say, where they lead, and what they do not tell."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.emails.conftest import ORIGIN, Person, Site, person_at, token_of
from tests.harness.people import new_email

STRICT = {
    "TRIVET_REQUIRE_EMAIL_VERIFICATION": "true",
    "TRIVET_VERIFY_ON_SIGN_IN": "true",
    "TRIVET_AUTO_SIGN_IN_AFTER_VERIFICATION": "true",
}


@pytest.fixture
def strict(sites: Site) -> Iterator[Person]:
    """Somebody at a site where an address must be verified first."""
    with person_at(sites(**STRICT)) as person:
        yield person


def test_the_link_verifies_the_address_and_leads_on(ann: Person) -> None:
    ann.sign_up()
    assert ann.post("/send-verification-email", email=ann.email, callbackURL="/v").json() == {"status": True}
    link = ann.next_link()
    answer = ann.get(link)
    assert (answer.status_code, answer.headers["location"], answer.content) == (302, "/v", b"")
    assert answer.headers["content-type"] == "application/json"
    assert "set-cookie" not in answer.headers
    session = ann.session()
    assert session is not None
    assert session["user"]["emailVerified"] is True
    again = ann.get(f"/verify-email?token={token_of(link)}")
    assert (again.status_code, again.json()) == (200, {"status": True, "user": None})


def test_twenty_who_follow_a_link_at_once_are_all_led_on(ann: Person) -> None:
    """A5: the proof keeps no state, and changes the address once."""
    ann.sign_up()
    ann.post("/send-verification-email", email=ann.email)
    link = ann.next_link()
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: ann.get(link), range(20)))
    assert {(answer.status_code, answer.headers["location"]) for answer in answers} == {(302, "/")}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "VALIDATION_ERROR"),
        ("token=a&token=b", 400, "VALIDATION_ERROR"),
        ("token=bad&callbackURL=/v&callbackURL=https://e.vil", 400, "VALIDATION_ERROR"),
        ("token=", 401, "INVALID_TOKEN"),
        ("token=bad", 401, "INVALID_TOKEN"),
        ("token=eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAeC5pbyJ9.", 401, "INVALID_TOKEN"),
        ("token=%C3%A9", 401, "INVALID_TOKEN"),
    ],
)
def test_a_link_that_is_no_good_is_told_so(ann: Person, query: str, status: int, code: str) -> None:
    answer = ann.get(f"/verify-email?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("callback", "location"),
    [
        ("/v", "/v?error=INVALID_TOKEN"),
        ("/v%3Fa%3Db%23f", "/v?a=b&error=INVALID_TOKEN#f"),
        (ORIGIN, f"{ORIGIN}/?error=INVALID_TOKEN"),
    ],
)
def test_a_link_that_is_no_good_leads_on_with_the_reason(ann: Person, callback: str, location: str) -> None:
    answer = ann.get(f"/verify-email?token=bad&callbackURL={callback}")
    assert (answer.status_code, answer.headers["location"]) == (302, location)


def test_asking_without_a_session_tells_nobody_who_has_an_address(ann: Person, bob: Person) -> None:
    """A3: known, verified and unknown alike, in half a second each."""
    bob.sign_up()
    ann.sign_up()
    ann.verify()
    ann.client.cookies.clear()
    answers = []
    for email in (bob.email, ann.email, new_email()):
        began = time.monotonic()
        answer = ann.post("/send-verification-email", email=email)
        assert time.monotonic() - began >= 0.5
        names = sorted(answer.headers.keys())
        answers.append((answer.status_code, answer.content, names))
    assert answers[0] == answers[1] == answers[2]
    assert bob.next_link()
    assert len(ann.mails()) == 1


def test_who_is_signed_in_is_told_what_is_wrong(ann: Person) -> None:
    ann.sign_up()
    other = ann.post("/send-verification-email", email=new_email())
    assert (other.status_code, other.json()) == (400, {"message": "Email mismatch", "code": "EMAIL_MISMATCH"})
    ann.verify()
    again = ann.post("/send-verification-email", email=ann.email)
    assert again.json() == {"message": "Email is already verified", "code": "EMAIL_ALREADY_VERIFIED"}
    assert again.status_code == 400


def test_where_it_is_required_signing_up_opens_nothing_and_the_link_does(strict: Person) -> None:
    answer = strict.sign_up(callbackURL="/hi")
    assert answer.json()["token"] is None
    assert "set-cookie" not in answer.headers
    refused = strict.sign_in()
    assert (refused.status_code, refused.json()["code"]) == (403, "EMAIL_NOT_VERIFIED")
    assert strict.sign_in("another password").status_code == 401
    first, second = strict.next_link(), strict.next_link()
    assert first.endswith("callbackURL=%2Fhi")
    assert second.endswith("callbackURL=%2F")
    followed = strict.get(first)
    assert (followed.status_code, followed.headers["location"]) == (302, "/hi")
    assert followed.headers["set-auth-token"]
    session = strict.session()
    assert session is not None
    assert session["user"]["email"] == strict.email
    assert "set-cookie" not in strict.get(second).headers, "a second use opens nothing"
    assert strict.sign_in().status_code == 200


def test_where_it_is_required_a_taken_address_is_answered_as_a_free_one(strict: Person) -> None:
    """A3: status, body and headers alike, and no second mail."""
    answers = [strict.sign_up() for _ in range(2)]
    first, second = (answer.json() for answer in answers)
    assert first.keys() == second.keys()
    assert first["user"].keys() == second["user"].keys()
    assert first["user"].pop("id") != second["user"].pop("id")
    for name in ("createdAt", "updatedAt"):
        assert len(first["user"].pop(name)) == len(second["user"].pop(name))
    assert first == second
    assert sorted(answers[0].headers.keys()) == sorted(answers[1].headers.keys())
    strict.next_link()
    assert len(strict.mails()) == 1
