"""What is said of a body that is not as it should be, word for word as clients of the protocol know it."""

import math

import msgspec
import pytest
from msgspec import UNSET

from gateway.auth.protocol.refusals import Refusal
from gateway.auth.protocol.validation import Anything, is_email, validated
from gateway.auth.routes.deletion import DeleteUser
from gateway.auth.routes.email_password import SignIn, SignOut, SignUp
from gateway.auth.routes.profile import ChangePassword, UpdateUser

STRING = "Invalid input: expected string, received"
ANN = {"name": "Ann", "email": "ann@example.com", "password": "password123"}


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (
            SignUp,
            UNSET,
            "[body] Invalid input: expected object, received undefined; "
            "[body] Invalid input: expected record, received undefined",
        ),
        (SignIn, UNSET, "[body] Invalid input: expected object, received undefined"),
        (SignIn, [], "[body] Invalid input: expected object, received array"),
        (SignOut, [], "[body] Invalid input: expected object, received array"),
        (UpdateUser, "x", "[body] Invalid input: expected record, received string"),
        (DeleteUser, None, "[body] Invalid input: expected object, received null"),
        (SignUp, {"email": "ann@example.com"}, f"[body.name] {STRING} undefined; [body.password] {STRING} undefined"),
        (SignUp, ANN | {"email": "nope"}, "[body.email] Invalid email address"),
        (SignUp, ANN | {"email": 5}, f"[body.email] {STRING} number"),
        (SignUp, ANN | {"name": None}, f"[body.name] {STRING} null"),
        (SignUp, ANN | {"name": math.inf}, f"[body.name] {STRING} Infinity"),
        (SignUp, ANN | {"name": -math.inf}, f"[body.name] {STRING} -Infinity"),
        (SignUp, ANN | {"name": ""}, "[body.name] Too small: expected string to have >=1 characters"),
        (SignUp, ANN | {"name": "x" * 256}, "[body.name] Too big: expected string to have <=255 characters"),
        (SignUp, ANN | {"image": None}, f"[body.image] {STRING} null"),
        (SignUp, ANN | {"rememberMe": "yes"}, "[body.rememberMe] Invalid input: expected boolean, received string"),
        (UpdateUser, {"name": True}, f"[body.name] {STRING} boolean"),
        (ChangePassword, {}, f"[body.newPassword] {STRING} undefined; [body.currentPassword] {STRING} undefined"),
    ],
)
def test_each_issue_is_told_in_order_in_zods_words(kind: type[msgspec.Struct], body: object, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        validated(kind, body)
    assert refused.value.status == 400
    assert msgspec.json.decode(refused.value.body) == {"message": message, "code": "VALIDATION_ERROR"}


@pytest.mark.parametrize("value", [{"$gt": ""}, {"$ne": None}, {"$regex": ".*"}, ["a"], 1, True, None])
@pytest.mark.parametrize("name", ["email", "password"])
def test_an_operator_in_place_of_a_string_is_refused(name: str, value: object) -> None:
    """I1."""
    with pytest.raises(Refusal):
        validated(SignIn, {"email": "ann@example.com", "password": "password123"} | {name: value})


def test_members_that_nobody_may_set_are_dropped() -> None:
    """I5: mass assignment."""
    body = validated(SignUp, ANN | {"role": "admin", "emailVerified": True, "banned": False, "id": "x"})
    assert msgspec.structs.asdict(body).keys() == {"name", "email", "password", "image", "callback_url", "remember_me"}


def test_a_body_that_may_be_missing_may_be_missing() -> None:
    assert validated(SignOut, UNSET) == SignOut()
    assert validated(Anything, ["whatever"]) == Anything()


def test_an_image_may_be_taken_away_by_null() -> None:
    assert validated(UpdateUser, {"image": None}).image is None
    assert validated(UpdateUser, {}).image is UNSET


@pytest.mark.parametrize("text", ["ann@example.com", "A.b+c_d-e'f@x-1.co.uk", "1@2.io"])
def test_an_email_address_is_one(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize(
    "text", ["", "ann", "ann@", "@x.io", ".a@x.io", "a..b@x.io", "a@x", "a@x.1", "a b@x.io", "a@x.io\n", "é@x.io"]
)
def test_what_zod_refuses_as_an_address_is_refused(text: str) -> None:
    assert not is_email(text)


@pytest.mark.parametrize("name", ["a\0b", "a\r\nb", "a\n", "\x1b[31m", "\x7f", "\x85"])
@pytest.mark.parametrize("kind", [SignUp, UpdateUser])
def test_a_name_with_a_control_character_is_told_so(kind: type[msgspec.Struct], name: str) -> None:
    """I7: terminals and logs obey them."""
    with pytest.raises(Refusal) as refused:
        validated(kind, ANN | {"name": name})
    message = "[body.name] Invalid string: must not hold control characters"
    assert msgspec.json.decode(refused.value.body) == {"message": message, "code": "VALIDATION_ERROR"}
