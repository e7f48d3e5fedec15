"""Users and sessions as the protocol writes them."""

from datetime import UTC, datetime

import msgspec
import pytest

from gateway.api.json_encoding import date
from gateway.auth.protocol.context import location
from gateway.sessions.wire_objects import session_object, user_object
from runtime.clock import timestamp
from trivet.identity.v1.resources_pb2 import Session, User


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 11, 22, 1, 53, 7, 953_000, UTC), "2026-11-22T01:53:07.953Z"),
        (datetime(2026, 11, 22, 1, 53, 7, 0, UTC), "2026-11-22T01:53:07.000Z"),
        (datetime(2026, 11, 22, 1, 53, 7, 9_999, UTC), "2026-11-22T01:53:07.009Z"),
        (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_date_has_exactly_three_fraction_digits(time: datetime, text: str) -> None:
    """The client takes the fraction's digits for whole milliseconds."""
    assert date(timestamp(time)) == text


def test_a_user_without_an_image_has_null_and_nothing_that_is_an_administrators() -> None:
    now = timestamp(datetime(2026, 1, 2, tzinfo=UTC))
    user = User(id="u", name="Ann", email="ann@x.io", banned=True, ban_reason="spam", create_time=now, update_time=now)
    assert msgspec.json.decode(msgspec.json.encode(user_object(user))) == {
        "id": "u",
        "name": "Ann",
        "email": "ann@x.io",
        "emailVerified": False,
        "image": None,
        "createdAt": "2026-01-02T00:00:00.000Z",
        "updatedAt": "2026-01-02T00:00:00.000Z",
    }


def test_a_session_of_unknown_origin_has_empty_texts() -> None:
    body = msgspec.json.decode(msgspec.json.encode(session_object(Session(id="s", user_id="u"), "t")))
    assert (body["ipAddress"], body["userAgent"], body["token"]) == ("", "", "t")
    assert body.keys() == {"id", "userId", "token", "expiresAt", "createdAt", "updatedAt", "ipAddress", "userAgent"}


@pytest.mark.parametrize(("url", "header"), [("/dash?a=1&b=%2F#x", "/dash?a=1&b=%2F#x"), ("/ünter", "/%C3%BCnter")])
def test_a_location_is_ascii(url: str, header: str) -> None:
    assert location(url) == header
