"""An ETag names the bytes of an answer, and If-None-Match is read as RFC 9110 (8.8.3, 13.1.2) has it."""

import pytest
from google.protobuf.struct_pb2 import Struct

from gateway.api.http_rules import rules
from gateway.api.json_encoding import encode
from gateway.api.services import SERVICES
from gateway.http.etag import entity_tag, is_cacheable, is_named

TAG = entity_tag(b"{}")
T = TAG.decode()


def test_a_tag_is_quoted_and_of_the_bytes_alone() -> None:
    assert entity_tag(b"{}") == TAG
    assert entity_tag(b"{ }") != TAG
    assert T[0] == T[-1] == '"'
    assert T[1:-1].replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "lines",
    [
        [T],
        [f"W/{T}"],
        ["*"],
        [" * "],
        [f'"a", {T}'],
        [f'"a,b" ,W/"c",W/{T}, "d"'],
        [f',, "a",,{T},'],
        ['"a"', f'"b", {T}'],
    ],
)
def test_a_tag_is_named_alone_in_a_list_on_several_lines_weakly_or_by_a_star(lines: list[str]) -> None:
    assert is_named(TAG, [line.encode() for line in lines])


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ['"a"'],
        [T.strip('"')],
        [T.lower() if T.lower() != T else T.upper()],
        ["*x"],
        [f'"*", "{T[1:-2]}"'],
        [T[:-1]],
    ],
)
def test_what_names_another_tag_or_none_does_not_name_it(lines: list[str]) -> None:
    assert not is_named(TAG, [line.encode() for line in lines])


def test_a_star_inside_a_list_is_a_tag_of_its_own() -> None:
    assert not is_named(TAG, [b'"*"'])


def test_one_resource_may_be_kept_and_a_list_may_not() -> None:
    kept = {
        rule.rpc.name for services in SERVICES.values() for rule in rules(services) if is_cacheable(rule.verb, rule.rpc)
    }
    assert kept == {
        *("GetUser", "GetSubscription", "GetNotification", "CountUnread", "GetNotificationStats", "GetStats"),
    }, "browsers keep the answer and ask with If-None-Match: if that is meant, name the RPC here"


def test_the_same_value_is_the_same_bytes_whatever_order_it_was_made_in() -> None:
    names = [f"field{number}" for number in range(20)]
    one, other = Struct(), Struct()
    one.update(dict.fromkeys(names, 1))
    other.update(dict.fromkeys(reversed(names), 1))
    assert encode(one) == encode(other)
    assert encode(one).index(b"field1") < encode(one).index(b"field2")
