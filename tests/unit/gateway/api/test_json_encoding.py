"""Our JSON is `json_format`'s, but for the digits of a time."""

import json
import re
from datetime import UTC
from typing import Any, cast

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.http_rules import rules
from gateway.api.json_encoding import converter, encode
from gateway.api.services import SERVICES
from trivet.cache.v1.cache_pb2 import Entry, Lookup, WatchResponse
from trivet.identity.v1.resources_pb2 import Session, User
from trivet.identity.v1.user_admin_service_pb2 import BanUserRequest
from trivet.identity.v1.user_service_pb2 import ListUsersResponse
from trivet.notifications.v1.log_service_pb2 import LogEntry, QueryLogsResponse
from trivet.notifications.v1.notification_service_pb2 import (
    CreateNotificationRequest,
    GetNotificationRequest,
    ListNotificationsResponse,
    Notification,
)

Kind = FieldDescriptor
MESSAGES: list[type[Message]] = [
    User,
    Session,
    ListUsersResponse,
    BanUserRequest,
    Notification,
    ListNotificationsResponse,
    CreateNotificationRequest,
    GetNotificationRequest,
    LogEntry,
    QueryLogsResponse,
    Lookup,
    Entry,
    WatchResponse,
]
FRACTION = re.compile(r"(\d\d:\d\d:\d\d)\.(\d{3})Z$")
YEARS = st.datetimes(timezones=st.just(UTC))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    Kind.TYPE_STRING: TEXT,
    Kind.TYPE_BYTES: st.binary(max_size=8),
    Kind.TYPE_BOOL: st.booleans(),
    Kind.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    Kind.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    Kind.TYPE_DOUBLE: st.floats(),
    Kind.TYPE_ENUM: st.integers(0, 9),
}


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> Message:
    """Draw a message with some of its fields set."""
    message: Any = GetMessageClass(descriptor)()
    name = descriptor.full_name
    if name == "google.protobuf.Timestamp":
        message.FromDatetime(draw(YEARS))
    elif name == "google.protobuf.Duration":
        message.FromMilliseconds(draw(st.integers(-(10**12), 10**12)))
    elif name == "google.protobuf.FieldMask":
        message.paths.extend(draw(st.lists(st.sampled_from(["name", "user_id", "a.b_c"]), max_size=3)))
    elif name == "google.protobuf.Struct":
        message.update(draw(st.dictionaries(TEXT, JSON_VALUES, max_size=3)))
    else:
        for field in descriptor.fields:
            if draw(st.booleans()):
                _fill(draw, message, field, depth)
    return message  # type: ignore[no-any-return]  # classes are made at run time


def _fill(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    count = draw(st.integers(0, 2)) if field.is_repeated else 1
    for _ in range(count):
        if field.message_type is not None:
            if depth < 3:
                value = draw(messages(field.message_type, depth + 1))
                target = getattr(message, field.name)
                (target.add() if field.is_repeated else target).CopyFrom(value)
        elif field.is_repeated:
            getattr(message, field.name).append(draw(SCALARS[field.type]))
        else:
            setattr(message, field.name, draw(SCALARS[field.type]))


def with_three_digits(value: Any) -> Any:
    """Rewrite json_format's times, which have 0, 3, 6 or 9 fraction digits, as ours."""
    if isinstance(value, dict):
        return {key: with_three_digits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_three_digits(item) for item in value]
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", value)):
        return f"{found[1]}.{(found[2] or '.')[1:4]:0<3}Z"
    return value


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@settings(max_examples=40, deadline=None, database=None)
@given(data=st.data())
def test_the_json_is_json_formats(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(messages(cast(Descriptor, kind.DESCRIPTOR)))
    expected = json.loads(MessageToJson(message, always_print_fields_with_no_presence=True))
    assert json.loads(encode(message)) == with_three_digits(expected)


@pytest.mark.parametrize("nanos", [0, 1, 999_999, 1_000_000, 999_999_999])
def test_a_time_has_exactly_three_fraction_digits(nanos: int) -> None:
    session = Session()
    session.create_time.seconds, session.create_time.nanos = 1_700_000_000, nanos
    assert FRACTION.search(json.loads(encode(session))["createTime"])


def test_every_answer_that_http_may_get_has_a_plan() -> None:
    for descriptors in SERVICES.values():
        for rule in rules(descriptors):
            converter(rule.rpc.output_type)(GetMessageClass(rule.rpc.output_type)())


@pytest.mark.parametrize(
    ("number", "text"),
    [(5.0, b"5"), (0.5, b"0.5"), (-0.0, b"0"), (2.0**53 + 2, b"9007199254740994"), (1e300, b"1e300")],
)
def test_a_whole_number_in_free_form_data_is_written_as_one(number: float, text: bytes) -> None:
    notification = Notification()
    notification.data.update({"n": number, "in": [{"n": number}]})
    data = b'{"in":[{"n":' + text + b'}],"n":' + text + b"}"
    assert data in encode(notification)
