"""AuthService over gRPC."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.identity.conftest import PASSWORD, Api, failure, identity_on, stubs
from tests.harness.processes import client
from trivet.client import acting_for
from trivet.identity.v1.auth_service_pb2 import (
    ChangePasswordRequest,
    SignInRequest,
    SignOutRequest,
    SignUpRequest,
    VerifyPasswordRequest,
)
from trivet.identity.v1.resources_pb2 import SessionOrigin
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest

NEW_PASSWORD = "a better horse battery"


async def test_signing_up_in_and_out(api: Api) -> None:
    made = await api.sign_up("Tour@X.io", origin=SessionOrigin(ip_address="10.0.0.1", user_agent="x" * 600))
    assert made.user.email == "tour@x.io"
    assert len(made.token) == len(made.user.id) == 32
    assert made.session.ip_address == "10.0.0.1"
    assert len(made.session.user_agent) == 512
    again = await api.auth.SignIn(SignInRequest(email="TOUR@x.io", password=PASSWORD))
    assert again.user == made.user
    found = await api.sessions.VerifySession(VerifySessionRequest(token=again.token))
    assert (found.session, found.user) == (again.session, made.user)
    assert (await api.auth.SignOut(SignOutRequest(token=again.token))).revoked
    assert not (await api.auth.SignOut(SignOutRequest(token=again.token))).revoked
    assert await failure(api.sessions.VerifySession(VerifySessionRequest(token=again.token))) == (
        "NOT_FOUND",
        "SESSION_NOT_FOUND",
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"email": ""}, "REQUIRED_FIELD_MISSING"),
        ({"name": ""}, "REQUIRED_FIELD_MISSING"),
        ({"password": ""}, "REQUIRED_FIELD_MISSING"),
        ({"email": "nope"}, "INVALID_EMAIL"),
        ({"name": "x" * 256}, "INVALID_NAME"),
        ({"name": "a\0b"}, "INVALID_NAME"),
        ({"image": "x" * 2049}, "INVALID_IMAGE"),
        ({"password": "short77"}, "PASSWORD_TOO_SHORT"),
        ({"password": "x" * 129}, "PASSWORD_TOO_LONG"),
        ({"password": "Password123"}, "PASSWORD_TOO_COMMON"),
        ({"request_id": "a b"}, "INVALID_REQUEST_ID"),
    ],
)
async def test_what_cannot_be_signed_up_is_an_invalid_argument(api: Api, changed: dict[str, str], reason: str) -> None:
    fields: dict[str, Any] = {"name": "Ann", "email": "never@x.io", "password": PASSWORD} | changed
    assert await failure(api.auth.SignUp(SignUpRequest(**fields))) == ("INVALID_ARGUMENT", reason)


async def test_a_taken_address_already_exists(api: Api) -> None:
    email = (await api.sign_up()).user.email
    assert await failure(api.sign_up(email.upper())) == ("ALREADY_EXISTS", "EMAIL_TAKEN")


async def test_a_repeated_request_answers_the_same_user(api: Api) -> None:
    """R25: and another body under the same id is refused."""
    email = (await api.sign_up()).user.email.replace("@", "+r@")
    first, second = [await api.sign_up(email, request_id="r-1") for _ in range(2)]
    assert first.user == second.user
    assert first.token != second.token
    assert await failure(api.sign_up("other@x.io", request_id="r-1")) == ("FAILED_PRECONDITION", "REQUEST_ID_REUSED")


async def test_wrong_password_and_unknown_user_look_alike(api: Api) -> None:
    """A3."""
    email = (await api.sign_up()).user.email
    expected = ("UNAUTHENTICATED", "INVALID_EMAIL_OR_PASSWORD")
    for address in (email, "nobody@x.io"):
        assert await failure(api.auth.SignIn(SignInRequest(email=address, password="wrong horse"))) == expected


async def test_a_password_is_checked_and_changed(api: Api) -> None:
    made = await api.sign_up()
    wrong = VerifyPasswordRequest(user_id=made.user.id, password="wrong horse")
    await api.auth.VerifyPassword(VerifyPasswordRequest(user_id=made.user.id, password=PASSWORD))
    assert await failure(api.auth.VerifyPassword(wrong)) == ("INVALID_ARGUMENT", "INVALID_PASSWORD")
    change = ChangePasswordRequest(
        user_id=made.user.id, current_password=PASSWORD, new_password=NEW_PASSWORD, revoke_other_sessions=True
    )
    changed = await api.auth.ChangePassword(change)
    assert changed.user.id == made.user.id
    await api.sessions.VerifySession(VerifySessionRequest(token=changed.token))
    old = VerifySessionRequest(token=made.token)
    assert await failure(api.sessions.VerifySession(old)) == ("NOT_FOUND", "SESSION_NOT_FOUND")
    assert await failure(api.auth.ChangePassword(change)) == ("INVALID_ARGUMENT", "INVALID_PASSWORD")


async def test_a_person_changes_nobody_elses_password(api: Api) -> None:
    ann, bob = await api.sign_up(), await api.sign_up()
    change = ChangePasswordRequest(user_id=ann.user.id, current_password=PASSWORD, new_password=NEW_PASSWORD)
    with acting_for(bob.user.id, "user", bob.session.id):
        assert await failure(api.auth.ChangePassword(change)) == ("PERMISSION_DENIED", "NOT_YOURS")
    with acting_for(ann.user.id, "user", ann.session.id):
        await api.auth.ChangePassword(change)


async def test_common_passwords_may_be_allowed(tmp_path: Path) -> None:
    with identity_on(tmp_path / "trivet.db", TRIVET_REFUSE_COMMON_PASSWORDS="false") as running:
        async with client(running) as channel:
            await stubs(channel).auth.SignUp(SignUpRequest(name="Ann", email="a@x.io", password="password123"))


async def test_no_secret_is_written_to_the_log(tmp_path: Path) -> None:
    """I4: a canary password and its token, through success and failure."""
    with identity_on(tmp_path / "trivet.db", TRIVET_LOG_LEVEL="DEBUG") as running:
        async with client(running) as channel:
            api = stubs(channel)
            request = SignUpRequest(name="Ann", email="a@x.io", password="canary-3f9b1c77")
            token = (await api.auth.SignUp(request)).token
            await failure(api.auth.SignUp(request))
            await failure(api.auth.SignIn(SignInRequest(email="a@x.io", password="canary-3f9b1c78")))
            await api.auth.SignOut(SignOutRequest(token=token))
        assert "canary" not in running.output()
        assert token not in running.output()
