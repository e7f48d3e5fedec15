"""A session as the near cache holds it: decoded, with the encoded answer of get-session except for the token."""

import math
from typing import NamedTuple, Self

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.sessions.wire_objects import session_object, user_object
from trivet.identity.v1.session_service_pb2 import VerifySessionResponse

PLACE = "{token}"
"""A placeholder for the token. Only two ids are before it, and they cannot contain a brace."""


class CachedSession(NamedTuple):
    """`head`, the token and `tail` together are the answer.

    `ends`, and `slides` when the end is due to be moved, are in seconds since 1970.
    """

    answer: VerifySessionResponse
    head: bytes
    tail: bytes
    ends: float
    slides: float

    @classmethod
    def of(cls, answer: VerifySessionResponse) -> Self:
        body = {"session": session_object(answer.session, PLACE), "user": user_object(answer.user)}
        head, _, tail = msgspec.json.encode(body).partition(PLACE.encode())
        ends = _seconds(answer.session.expire_time)
        slides = _seconds(answer.slide_time) if answer.slide_time.seconds else math.inf
        return cls(answer, head, tail, ends, slides)


def _seconds(time: Timestamp) -> float:
    return time.seconds + time.nanos / 1e9


def decode_session(value: bytes) -> CachedSession | None:
    """Return the session of an entry's bytes, None if they are no session."""
    try:
        return CachedSession.of(VerifySessionResponse.FromString(value))
    except DecodeError:
        return None
