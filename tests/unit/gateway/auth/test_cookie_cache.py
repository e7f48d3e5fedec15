"""The cookie for front ends' middleware, compared with what better-auth 1.7.24 itself wrote."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from gateway.auth.protocol.cookie_cache.cookie_cache import STRATEGIES, Content, CookieCache
from gateway.auth.protocol.cookie_cache.js_json import stringify
from gateway.sessions.cookies import CookieSigner, SessionCookies

FIXTURE = Path(__file__).parents[3] / "fixtures" / "better_auth" / "session_data.json"
RECORDED = json.loads(FIXTURE.read_text(encoding="utf-8"))
SECRET: str = RECORDED["secret"]
KEY = SECRET.encode()
NAME = "better-auth.session_data"
REMOVED = "Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
NOW = datetime(2026, 11, 24, 12, 0, 0, 123_000, tzinfo=UTC)
SESSION = {"id": "s", "userId": "u", "token": "t" * 32, "ipAddress": "", "userAgent": ""}
USER = {"id": "u", "name": "Zo\u00eb", "email": "ann@example.com", "image": None}

every_cookie = pytest.mark.parametrize(
    "vector",
    RECORDED["cookies"],
    ids=[f"{one['what']}-{one['strategy']}-{one['remember']}" for one in RECORDED["cookies"]],
)
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


class Moment:
    """A clock that stands still until it is moved."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return self.time


def browser(*set_cookies: str) -> Request:
    """Return a request by a browser that has kept these Set-Cookie values."""
    pairs = [value.partition(";")[0] for value in set_cookies if "Max-Age=0" not in value]
    return Request({"type": "http", "headers": [(b"cookie", "; ".join(pairs).encode())]})


def cookies(*, secure: bool = False) -> SessionCookies:
    return SessionCookies(CookieSigner(SECRET), secure=secure)


def data(strategy: str, *, secret: str = SECRET, now: Moment | None = None) -> CookieCache:
    return CookieCache(STRATEGIES[strategy], cookies(), secret, seconds=300, now=now or Moment(NOW))


def recorded(vector: Mapping[str, Any]) -> Content:
    """Return what a cookie of the original's says, which it is signed for."""
    held = cookies().data_of(browser(*vector["set_cookie"]))
    content = STRATEGIES[vector["strategy"]].read(held, KEY)
    assert content is not None
    return content


@every_cookie
def test_the_originals_cookie_is_read_and_written_again_byte_by_byte(vector: Mapping[str, Any]) -> None:
    content = recorded(vector)
    moment = Moment(datetime.fromtimestamp(content.updated_at / 1_000, UTC))
    ours = data(vector["strategy"], now=moment)
    written = ours.written(browser(), content.session, content.user, remember=vector["remember"])
    assert written == vector["set_cookie"]


@each_strategy
@pytest.mark.parametrize("remember", [True, False])
def test_an_unremembered_cookie_ends_with_the_browser_and_says_so_for_a_short_time(
    strategy: str, remember: bool
) -> None:
    (written,) = data(strategy).written(browser(), SESSION, USER, remember=remember)
    content = STRATEGIES[strategy].read(cookies().data_of(browser(written)), KEY)
    assert content is not None
    seconds = 300 if remember or strategy == "jwt" else 60
    assert content.expires_at // 1_000 == int(NOW.timestamp()) + seconds
    assert ("Max-Age" in written) == remember


@each_strategy
def test_flipping_any_bit_of_the_cookie_is_noticed(strategy: str) -> None:
    """S6: but for base64's spare bits, which change nothing that is said."""
    (written,) = data(strategy).written(browser(), SESSION, USER, remember=True)
    value = cookies().data_of(browser(written))
    real = STRATEGIES[strategy].read(value, KEY)
    for position in range(len(value)):
        for bit in range(7):
            flipped = value[:position] + chr(ord(value[position]) ^ 1 << bit) + value[position + 1 :]
            assert STRATEGIES[strategy].read(flipped, KEY) in (None, real)


@each_strategy
def test_who_signed_it_and_until_when_is_part_of_what_is_signed(strategy: str) -> None:
    """S6: expiry is inside the signature, and another secret's cookie says nothing."""
    chosen = STRATEGIES[strategy]
    content = Content(SESSION, USER, 1_000_000, 2_000_000)
    value, later = chosen.write(content, KEY), chosen.write(replace(content, expires_at=9_000_000), KEY)
    assert chosen.read(value, b"another secret") is None
    if strategy == "jwt":
        forged = ".".join((*later.split(".")[:2], value.rpartition(".")[2]))
        assert chosen.read(forged, KEY) is None
    assert chosen.read(value, KEY) == content


@each_strategy
def test_a_cookie_is_renewed_only_when_it_is_missing_spoiled_old_or_untrue(strategy: str) -> None:
    clock = Moment(NOW)
    ours = data(strategy, now=clock)
    (written,) = ours.written(browser(), SESSION, USER, remember=True)
    held = browser(written)

    def renewed(request: Request, user: Mapping[str, Any] = USER, *, always: bool = False) -> bool:
        return ours.renewed(request, SESSION, user, remember=True, always=always) != []

    assert not renewed(held)
    assert renewed(held, always=True)
    assert renewed(browser())
    assert renewed(browser(f"{NAME}=spoiled"))
    assert renewed(held, {**USER, "name": "Another"})
    by_another = data(strategy, secret="another secret").written(browser(), SESSION, USER, remember=True)
    assert renewed(browser(*by_another))
    clock.time = datetime.fromtimestamp(NOW.timestamp() + 301, UTC)
    assert renewed(held)


@each_strategy
def test_who_is_not_remembered_gets_no_new_one_and_loses_an_old_one(strategy: str) -> None:
    clock = Moment(NOW)
    ours = data(strategy, now=clock)
    held = browser(*ours.written(browser(), SESSION, USER, remember=False))
    assert ours.renewed(held, SESSION, USER, remember=False, always=True) == []
    assert ours.renewed(browser(), SESSION, USER, remember=False, always=True) == []
    clock.time = datetime.fromtimestamp(NOW.timestamp() + 301, UTC)
    assert ours.renewed(held, SESSION, USER, remember=False, always=False) == [f"{NAME}=; {REMOVED}"]


def test_chunks_that_are_no_longer_needed_are_removed() -> None:
    large = {**USER, "notes": "x" * 9_000}
    ours = data("compact")
    chunks = ours.written(browser(), SESSION, large, remember=True)
    assert [chunk.partition("=")[0] for chunk in chunks] == [f"{NAME}.{index}" for index in range(4)]
    assert max(map(len, chunks)) <= 4_050
    small = ours.written(browser(*chunks), SESSION, USER, remember=True)
    assert small[:4] == [f"{NAME}.{index}=; {REMOVED}" for index in range(4)]
    assert small[4].startswith(f"{NAME}=ey")
    again = ours.written(browser(small[4]), SESSION, large, remember=True)
    assert again[0] == f"{NAME}=; {REMOVED}"
    assert [chunk.partition("=")[0] for chunk in again[1:]] == [f"{NAME}.{index}" for index in range(4)]


def test_what_would_need_more_than_a_hundred_chunks_is_left_out() -> None:
    huge = {**USER, "notes": "x" * 400_000}
    held = browser(f"{NAME}.0=a")
    assert data("compact").written(held, SESSION, huge, remember=True) == [f"{NAME}.0=; {REMOVED}"]


def test_a_session_that_ends_takes_its_chunks_along() -> None:
    held = browser(f"{NAME}.0=a", f"{NAME}.1=b", f"{NAME}=c", f"{NAME}.x=d", f"{NAME}.01=e", "other=f")
    assert [value.partition("=")[0] for value in cookies().closed(held)] == [
        "better-auth.session_token",
        NAME,
        f"{NAME}.0",
        f"{NAME}.1",
        "better-auth.dont_remember",
    ]


def test_over_https_the_cookie_is_secure_by_its_name() -> None:
    """S5."""
    ours = CookieCache(STRATEGIES["compact"], cookies(secure=True), SECRET, seconds=300)
    (written,) = ours.written(browser(), SESSION, USER, remember=True)
    assert re.fullmatch(f"__Secure-{NAME}=[\\w-]+; Max-Age=300; Path=/; HttpOnly; Secure; SameSite=Lax", written)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "[]",
        "null",
        '{"session":1}',
        '{"session":{"a":1e400},"expiresAt":1,"signature":""}',
        '{"session":{"a":NaN},"expiresAt":1,"signature":""}',
        '{"session":{"a":' + "9" * 400 + '},"expiresAt":1,"signature":""}',
        '{"session":{"a":' + "[" * 5_000 + "]" * 5_000 + '},"expiresAt":1,"signature":""}',
        '{"session":{"a":"\\ud800"},"expiresAt":1,"signature":""}',
    ],
)
def test_whatever_a_browser_sends_as_the_cookie_is_no_error(payload: str) -> None:
    """S6, H2."""
    value = base64.urlsafe_b64encode(payload.encode()).decode().rstrip("=")
    for made in (value, f"e30.{value}.x", "%%%", "\u00e9"):
        assert [strategy.read(made, KEY) for strategy in STRATEGIES.values()] == [None, None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e-05, "0.00001"),
        (1e-07, "1e-7"),
        (1.5e300, "1.5e+300"),
        (2**53 + 1, "9007199254740992"),
        (True, "true"),
        (None, "null"),
        ({"a": ["\x1f\n", "\u2028\u00e9"]}, '{"a":["\\u001f\\n","\u2028\u00e9"]}'),
    ],
)
def test_values_are_spelled_as_javascript_spells_them(value: object, text: str) -> None:
    assert stringify(value) == text
