"""What a picture of 200,000 characters means for cookies and for what a gateway holds in its memory."""

import math

import pytest

from gateway.auth.protocol.cookie_cache.cookie_cache import STRATEGIES
from gateway.server.serve import MAX_HEADER_BYTES
from gateway.sessions.cached_session import decode_session
from services.identity.users.pictures import DATA_LENGTH
from tests.unit.gateway.auth.test_cookie_cache import SESSION, USER, browser, data
from trivet.client import NearCache
from trivet.client.near.near_cache import StreamPosition
from trivet.client.near.reads import BYTES_PER_BYTE
from trivet.identity.v1.resources_pb2 import Session, User
from trivet.identity.v1.session_service_pb2 import VerifySessionResponse

AVATAR = "data:image/png;base64,".ljust(DATA_LENGTH, "A")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_cookie_leaves_out_a_picture_that_is_a_data_url(strategy: str) -> None:
    """B26: with it each request of the browser would be larger than the gateway takes, and refused."""
    writer, user = data(strategy), USER | {"image": AVATAR}
    written = writer.written(browser(), SESSION, user, remember=True)
    assert written == data(strategy).written(browser(), SESSION, USER, remember=True)
    assert sum(map(len, written)) < MAX_HEADER_BYTES / 8 < len(AVATAR)
    assert writer.renewed(browser(*written), SESSION, user, remember=True, always=False) == [], "it says what it can"
    address = USER | {"image": "https://x.io/a.png"}
    assert writer.renewed(browser(*written), SESSION, address, remember=True, always=False) != []


def response(number: int) -> bytes:
    user = User(id=f"u{number}", email="ann@x.io", name="Ann", image=AVATAR)
    return VerifySessionResponse(session=Session(id=f"s{number}", user_id=user.id), user=user).SerializeToString()


def test_a_held_session_takes_no_more_than_a_near_cache_counts_for_it() -> None:
    """The message, and the answer that is ready: each holds the picture once."""
    value = response(1)
    held = decode_session(value)
    assert held is not None
    taken = held.answer.ByteSize() + len(held.head) + len(held.tail)
    assert 2 * len(AVATAR) < taken < BYTES_PER_BYTE * len(value)


def test_sessions_with_large_pictures_stay_within_a_near_caches_bound() -> None:
    """64 MiB, the default, hold some 80 of them; the least recently used make room."""
    near = NearCache()
    position = StreamPosition("e", 1)
    near.reset(position)
    for number in range(200):
        value = response(number)
        size = BYTES_PER_BYTE * len(value)
        near.put(f"k{number}", decode_session(value), size=size, position=position, tags=(), expires=math.inf)
    assert 75 <= len(near) <= 90
    assert near.bytes <= 64 * 1024 * 1024
