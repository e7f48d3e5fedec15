"""Changing an address, and deleting an account by mail, by HTTP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.emails.conftest import Person, Site, person_at, token_of
from tests.harness.people import PASSWORD, new_email
from tests.harness.waiting import eventually

OFF = {"TRIVET_PASSWORD_RESET": "off", "TRIVET_CHANGE_EMAIL": "off", "TRIVET_DELETE_USER": "off"}


@pytest.fixture
def mailed(sites: Site) -> Iterator[Person]:
    """Somebody at a site where an account is deleted by mail."""
    with person_at(sites(TRIVET_DELETE_USER="mail")) as person:
        yield person


@pytest.fixture
def kept(sites: Site) -> Iterator[Person]:
    """Somebody at a site where nothing of this is allowed."""
    with person_at(sites(**OFF)) as person:
        yield person


def address_of(person: Person) -> str:
    session = person.session()
    assert session is not None
    return str(session["user"]["email"])


def test_a_verified_address_is_changed_in_two_steps_and_the_old_one_is_told(ann: Person) -> None:
    """A8."""
    ann.sign_up()
    ann.verify()
    new = new_email()
    assert ann.post("/change-email", newEmail=new, callbackURL="/c").json() == {"status": True}
    confirmation = ann.next_link()
    answer = ann.get(f"/verify-email?token={token_of(confirmation)}")
    assert (answer.status_code, answer.json()) == (200, {"status": True})
    assert address_of(ann) == ann.email
    reader = Person(ann.client, new)
    changed = ann.get(f"/verify-email?token={token_of(reader.next_link())}")
    assert changed.status_code == 200
    assert changed.json()["user"]["email"] == new
    assert changed.json()["user"]["emailVerified"] is True
    assert changed.headers["set-cookie"].startswith("better-auth.session_token=")
    assert address_of(ann) == new, "the caches were told"
    eventually(lambda: ann.mails()[-1]["subject"] == "Your email address was changed", seconds=20)
    assert ann.sign_in().status_code == 401
    assert reader.sign_in().status_code == 200


def test_an_unverified_address_is_changed_by_the_new_ones_link(ann: Person, bob: Person) -> None:
    """A8; and only where its owner is signed in, or nobody."""
    ann.sign_up()
    bob.sign_up()
    new = new_email()
    assert ann.post("/change-email", newEmail=new.upper(), callbackURL="/c").json() == {"status": True}
    link = Person(ann.client, new).next_link()
    refused = bob.get(f"/verify-email?token={token_of(link)}")
    assert (refused.status_code, refused.json()["code"]) == (401, "INVALID_USER")
    answer = ann.get(link)
    assert (answer.status_code, answer.headers["location"]) == (302, "/c")
    assert address_of(ann) == new
    assert ann.get(link).headers["location"] == "/c?error=INVALID_TOKEN"
    eventually(lambda: [mail["subject"] for mail in ann.mails()] == ["Your email address was changed"], seconds=20)


def test_an_address_that_somebody_has_is_answered_alike(ann: Person, bob: Person) -> None:
    """A3."""
    ann.sign_up()
    bob.sign_up()
    free, taken = (ann.post("/change-email", newEmail=email) for email in (new_email(), bob.email))
    assert (free.status_code, free.content) == (taken.status_code, taken.content)
    assert sorted(free.headers.keys()) == sorted(taken.headers.keys())


def test_what_is_no_change_is_refused(ann: Person, kept: Person) -> None:
    assert ann.post("/change-email", newEmail=new_email()).status_code == 401
    ann.sign_up()
    same = ann.post("/change-email", newEmail=ann.email)
    assert (same.status_code, same.json()) == (400, {"message": "Email is the same"})
    bad = ann.post("/change-email", newEmail="none")
    assert bad.json() == {"message": "[body.newEmail] Invalid email address", "code": "VALIDATION_ERROR"}
    kept.sign_up()
    off = kept.post("/change-email", newEmail=new_email())
    assert (off.status_code, off.json()["code"]) == (400, "CHANGE_EMAIL_DISABLED")


def test_an_account_is_deleted_by_the_link_that_was_mailed(mailed: Person, sites: Site) -> None:
    """A5: once, where its owner is signed in; another's token is none."""
    mailed.sign_up()
    refused = mailed.post("/delete-user", password="another password")
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_PASSWORD")
    sent = mailed.post("/delete-user", callbackURL="/bye")
    assert (sent.status_code, sent.json()) == (200, {"success": True, "message": "Verification email sent"})
    link = mailed.next_link()
    with person_at(sites(TRIVET_DELETE_USER="mail")) as other:
        nobody = other.get(link)
        assert (nobody.status_code, nobody.json()["code"]) == (404, "FAILED_TO_GET_USER_INFO")
        other.sign_up()
        stranger = other.get(link)
        assert (stranger.status_code, stranger.json()["code"]) == (404, "INVALID_TOKEN")
    with ThreadPoolExecutor(20) as threads:
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in mailed.client.cookies.items())}
        answers = list(threads.map(lambda _: mailed.client.get(f"/api/auth{link}", headers=headers), range(20)))
    (done,) = [answer for answer in answers if answer.status_code == 302]
    assert done.headers["location"] == "/bye"
    assert [cookie.partition("=")[0] for cookie in done.headers.get_list("set-cookie")] == [
        "better-auth.session_token",
        "better-auth.session_data",
        "better-auth.dont_remember",
    ]
    assert mailed.sign_in().status_code == 401


def test_a_token_in_the_body_deletes_as_well(mailed: Person) -> None:
    mailed.sign_up()
    wrong = mailed.post("/delete-user", token="nope")
    assert (wrong.status_code, wrong.json()["code"]) == (404, "INVALID_TOKEN")
    assert mailed.post("/delete-user", password=PASSWORD).json()["message"] == "Verification email sent"
    done = mailed.post("/delete-user", token=token_of(mailed.next_link()))
    assert done.json() == {"success": True, "message": "User deleted"}
    assert mailed.session() is None


def test_where_a_mail_is_wanted_or_deleting_is_off_no_other_door_is_open(mailed: Person, kept: Person) -> None:
    """A7."""
    for person, reason in ((mailed, "DELETE_USER_BY_MAIL"), (kept, "DELETE_USER_DISABLED")):
        person.sign_up()
        session = person.session()
        assert session is not None
        answer = person.client.delete(f"/v1/users/{session['user']['id']}")
        assert reason in answer.text
        assert person.session()


def test_where_deleting_is_off_the_routes_are_not_there(kept: Person) -> None:
    assert kept.post("/delete-user").status_code == 401
    answers = [kept.get("/delete-user/callback?token=x")]
    kept.sign_up()
    answers.append(kept.get("/delete-user/callback?token=x"))
    for back in answers:
        assert (back.status_code, back.json()) == (404, {"message": "Not found", "code": "NOT_FOUND"})
    answer = kept.post("/delete-user", password=PASSWORD)
    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["content-type"] == "application/json"


def test_a_mailed_change_does_not_survive_a_reset(ann: Person) -> None:
    """A8: somebody signed up with another's address; its owner's reset voids what they had asked for."""
    ann.sign_up()
    stranger = new_email()
    assert ann.post("/change-email", newEmail=stranger, callbackURL="/").json() == {"status": True}
    link = Person(ann.client, stranger).next_link()
    ann.client.cookies.clear()
    assert ann.post("/request-password-reset", email=ann.email, redirectTo="/r").status_code == 200
    reset = ann.next_link().partition("/reset-password/")[2].partition("?")[0]
    assert ann.post("/reset-password", newPassword="the owner's own password", token=reset).status_code == 200
    assert ann.get(link).headers["location"] == "/?error=INVALID_TOKEN"
