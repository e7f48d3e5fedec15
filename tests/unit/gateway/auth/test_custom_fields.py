"""A product's own fields in bodies, by the rules that the original was seen to follow."""

import msgspec
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from gateway.auth.protocol.custom_fields import changed_values, new_values
from gateway.auth.protocol.refusals import Refusal
from gateway.sessions.wire_objects import session_object, user_object
from identity_rules.custom_fields import Field
from trivet.identity.v1.resources_pb2 import Session, User

FIELDS = {
    "phone": Field("string", required=True),
    "tier": Field("string", input=False, default="free"),
    "staff": Field("boolean", input=False),
}


def said(values: Struct | None) -> dict[str, object] | None:
    return None if values is None else dict(MessageToDict(values))


def refused(refusal: Refusal) -> tuple[int, str]:
    return refusal.status, msgspec.json.decode(refusal.body).get("code", "")


def test_only_declared_members_are_taken() -> None:
    """I5."""
    body = {"phone": "1", "role": "admin", "emailVerified": True, "additional": {"staff": True}}
    assert said(new_values(FIELDS, body)) == {"phone": "1"}
    assert said(changed_values(FIELDS, body)) == {"phone": "1"}
    assert changed_values(FIELDS, {"role": "admin"}) is None


def test_a_default_stands_where_something_new_says_otherwise_and_refuses_a_change() -> None:
    """I5."""
    assert said(new_values(FIELDS, {"phone": "1", "tier": "gold"})) == {"phone": "1"}
    with pytest.raises(Refusal) as caught:
        changed_values(FIELDS, {"tier": "gold"})
    assert refused(caught.value) == (400, "FIELD_NOT_ALLOWED")


@pytest.mark.parametrize("value", [True, 1, "x", [], {}])
def test_what_must_not_be_set_is_refused(value: object) -> None:
    """I5: an empty list is something to JavaScript."""
    for take in (new_values, changed_values):
        with pytest.raises(Refusal) as caught:
            take(FIELDS, {"phone": "1", "staff": value})
        assert refused(caught.value) == (400, "FIELD_NOT_ALLOWED")


@pytest.mark.parametrize("value", [None, False, 0, ""])
def test_what_is_nothing_to_javascript_is_overlooked(value: object) -> None:
    assert changed_values(FIELDS, {"staff": value}) is None
    assert said(new_values(FIELDS, {"phone": "1", "staff": value})) == {"phone": "1"}


def test_what_is_required_is_missed_only_when_something_is_made() -> None:
    with pytest.raises(Refusal) as caught:
        new_values(FIELDS, {})
    assert refused(caught.value) == (400, "MISSING_FIELD")
    assert said(new_values(FIELDS, {"phone": None})) == {"phone": None}
    assert changed_values(FIELDS, {}) is None


@pytest.mark.parametrize("body", [msgspec.UNSET, None, [], "x"])
def test_a_body_that_is_no_object_gives_nothing(body: object) -> None:
    assert changed_values(FIELDS, body) is None


def test_objects_carry_the_fields_beside_their_own_members() -> None:
    more = Struct()
    more.update({"age": 3, "ratio": 0.5, "tags": ["a"], "scores": [1, 2.5], "phone": None, "large": 2.0**60})
    user = user_object(User(id="u", name="Ann", additional=more))
    assert isinstance(user, dict)
    assert msgspec.json.encode(user["age"]) == b"3"
    assert {name: user[name] for name in ("age", "ratio", "tags", "scores", "phone", "name")} == {
        "age": 3,
        "ratio": 0.5,
        "tags": ["a"],
        "scores": [1, 2.5],
        "phone": None,
        "name": "Ann",
    }
    session = session_object(Session(id="s", additional=more), "t")
    assert isinstance(session, dict)
    assert (session["token"], session["age"]) == ("t", 3)
