"""Signing up and in: which passwords are taken, and what a stranger may learn from the answers."""

import unicodedata

import httpx
import pytest

from tests.api.auth.conftest import PASSWORD, new_email, sign_in, sign_up

VARYING = {"date", "x-request-id", "traceparent"}


def told(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return everything that an answer tells, less what differs between any two."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in VARYING]
    return answer.status_code, answer.content, headers


def test_an_unknown_user_and_a_wrong_password_are_told_alike(client: httpx.Client) -> None:
    """A3: status, body and headers; the time is the benchmark's to compare."""
    email = new_email()
    sign_up(client, email)
    client.cookies.clear()
    wrong = client.post("/sign-in/email", json={"email": email, "password": f"{PASSWORD}!"})
    unknown = client.post("/sign-in/email", json={"email": new_email(), "password": f"{PASSWORD}!"})
    assert told(wrong) == told(unknown)
    assert wrong.status_code == 401
    assert wrong.json() == {"message": "Invalid email or password", "code": "INVALID_EMAIL_OR_PASSWORD"}


@pytest.mark.parametrize("body", [{"password": ""}, {"password": "x" * 128}])
def test_odd_passwords_tell_no_more(client: httpx.Client, body: dict[str, str]) -> None:
    """A3."""
    email = new_email()
    sign_up(client, email)
    client.cookies.clear()
    known = client.post("/sign-in/email", json={"email": email, **body})
    assert told(known) == told(client.post("/sign-in/email", json={"email": new_email(), **body}))
    assert known.status_code == 401


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short 7", "PASSWORD_TOO_SHORT"),
        ("x" * 129, "PASSWORD_TOO_LONG"),
        ("password123", "PASSWORD_TOO_COMMON"),
        ("", "VALIDATION_ERROR"),
    ],
)
def test_a_password_that_is_too_short_long_or_common_is_refused(client: httpx.Client, password: str, code: str) -> None:
    """A1, A2."""
    answer = client.post("/sign-up/email", json={"name": "x", "email": new_email(), "password": password})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "password", ["  spaces at both ends  ", "🔐🔐🔐🔐🔐🔐🔐🔐", "a" * 72 + "b" * 20, "ünïcödé-pass"]
)
def test_a_password_is_taken_as_it_is_spelled(client: httpx.Client, password: str) -> None:
    """A1: nothing is trimmed or cut, and composed and decomposed spellings are one password."""
    email = new_email()
    body = {"name": "x", "email": email, "password": unicodedata.normalize("NFC", password)}
    assert client.post("/sign-up/email", json=body).status_code == 200
    client.cookies.clear()
    decomposed = unicodedata.normalize("NFD", password)
    assert client.post("/sign-in/email", json={"email": email, "password": decomposed}).status_code == 200
    client.cookies.clear()
    for near in (password.strip() + "!", password[:72] if len(password) > 72 else password[:-1]):
        assert client.post("/sign-in/email", json={"email": email, "password": near}).status_code in (400, 401)


def test_an_email_is_one_account_however_it_is_written(client: httpx.Client) -> None:
    email = new_email()
    sign_up(client, email)
    client.cookies.clear()
    again = client.post("/sign-up/email", json={"name": "x", "email": email.upper(), "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL")
    assert sign_in(client, email.upper())


def test_a_user_cannot_make_himself_more_than_he_is(client: httpx.Client) -> None:
    """I5: neither when signing up nor later."""
    extra = {"role": "admin", "emailVerified": True, "banned": False, "id": "x" * 32, "createdAt": "2000-01-01"}
    client.post("/sign-up/email", json={"name": "x", "email": new_email(), "password": PASSWORD, **extra})
    before = client.get("/get-session").json()["user"]
    assert client.post("/update-user", json={"name": "y", **extra}).status_code == 200
    after = client.get("/get-session").json()["user"]
    assert after == before | {"name": "y", "updatedAt": after["updatedAt"]}
    assert not after["emailVerified"]
    assert after["id"] != extra["id"]
    assert "role" not in after


def test_a_change_of_password_needs_the_current_one(client: httpx.Client) -> None:
    """A2, S7."""
    sign_up(client)
    body = {"newPassword": "another good one", "currentPassword": "not the current one"}
    answer = client.post("/change-password", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PASSWORD")


@pytest.mark.parametrize(("password", "status"), [(PASSWORD, 200), ("wrong", 400), ("", 400)])
def test_a_password_can_be_checked(client: httpx.Client, password: str, status: int) -> None:
    sign_up(client)
    assert client.post("/verify-password", json={"password": password}).status_code == status


@pytest.mark.parametrize("name", ["a\0b", "a\r\nb", "", " ", "x" * 256])
def test_an_odd_name_is_taken_or_refused_but_never_an_error(client: httpx.Client, name: str) -> None:
    """I7: whatever a name holds, the answer is the person's or says what is wrong."""
    answer = client.post("/sign-up/email", json={"name": name, "email": new_email(), "password": PASSWORD})
    if answer.status_code == 200:
        assert answer.json()["user"]["name"] == name
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
        assert ("must not hold control characters" in answer.json()["message"]) == (0 < len(name) < 256)


def test_a_browsers_name_is_kept_as_it_was_sent_and_cut(client: httpx.Client) -> None:
    client.headers["user-agent"] = "Mozilla/5.0 " + "x" * 1_000
    sign_up(client)
    session = client.get("/get-session").json()["session"]
    assert len(session["userAgent"]) == 512
    assert session["ipAddress"] == "127.0.0.1"
