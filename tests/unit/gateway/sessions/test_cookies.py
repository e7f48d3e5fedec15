"""The spelling and the signatures of session cookies, with vectors recorded from the original."""

import pytest
from starlette.requests import Request

from gateway.sessions.cookies import CookieSigner, SessionCookies
from tests.differential.spellings import spelled

SECRET = "0123456789abcdef0123456789abcdef-SeCrEt"
OTHER = "another secret of a good length, 0123456789"
TOKEN = "j6WKcQRHgMNwvtetGxBcNnUAKd2D8wDb"
SIGNED = f"{TOKEN}.ZcAXL2OTqVhbYub+VLMDHev7rCKgWy5Bl2eXcprSNjU="
COOKIE = f"{TOKEN}.ZcAXL2OTqVhbYub%2BVLMDHev7rCKgWy5Bl2eXcprSNjU%3D"
DONT_REMEMBER = "true.MOutujKJOoAuj6w9oEkugDJC7ChmPvF8bdNZQeUIYWE%3D"


def cookies(*, secure: bool = False, secret: str = SECRET, former: tuple[str, ...] = ()) -> SessionCookies:
    return SessionCookies(CookieSigner(secret, former), secure=secure)


def request(*headers: tuple[str, str]) -> Request:
    return Request({"type": "http", "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers]})


def cookie(*pairs: str) -> Request:
    return request(("cookie", "; ".join(pairs)))


def test_a_remembered_session_is_kept_for_its_time() -> None:
    assert cookies().opened(cookie(), TOKEN, 604_800) == [
        f"better-auth.session_token={COOKIE}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
    ]


def test_no_cookie_outlives_what_browsers_allow() -> None:
    assert "; Max-Age=34560000; " in cookies().opened(cookie(), TOKEN, 10**9)[0]


def test_a_session_that_is_not_remembered_ends_with_the_browser() -> None:
    assert cookies().opened(cookie(), TOKEN, None) == [
        f"better-auth.session_token={COOKIE}; Path=/; HttpOnly; SameSite=Lax",
        f"better-auth.dont_remember={DONT_REMEMBER}; Path=/; HttpOnly; SameSite=Lax",
    ]


def test_https_makes_cookies_secure_by_name_and_attribute() -> None:
    """S5."""
    assert cookies(secure=True).opened(cookie(), TOKEN, 604_800) == [
        f"__Secure-better-auth.session_token={COOKIE}; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Lax"
    ]


def test_a_closed_session_takes_its_three_cookies_along() -> None:
    assert cookies().closed(cookie()) == [
        f"better-auth.{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
        for name in ("session_token", "session_data", "dont_remember")
    ]


def test_the_token_of_a_signed_cookie_is_read_among_others() -> None:
    assert cookies().token_of(cookie("theme=dark", f"better-auth.session_token={COOKIE}", "a=b=c")) == TOKEN


@pytest.mark.parametrize("unusual", spelled(SIGNED))
def test_a_cookie_is_read_in_every_spelling_that_the_original_reads(unusual: str) -> None:
    assert cookies().token_of(request(("cookie", spelled(SIGNED)[unusual]))) == TOKEN


@pytest.mark.parametrize("value", [f'"{COOKIE}', f"'{COOKIE}'", f'{COOKIE}"', f"x{COOKIE}", COOKIE.replace("%", "%25")])
def test_half_a_quote_or_a_second_encoding_is_no_spelling(value: str) -> None:
    assert cookies().token_of(cookie(f"better-auth.session_token={value}")) is None


def test_every_signed_cookie_is_read_in_the_same_spellings() -> None:
    quoted = cookie(f'better-auth.dont_remember="{DONT_REMEMBER}"', f'better-auth.state = "{COOKIE}"')
    assert cookies().is_not_remembered(quoted)
    assert cookies().state_of(quoted) == TOKEN


def test_over_https_only_the_secure_name_is_read() -> None:
    """S5: a cookie that plain HTTP could have set opens nothing."""
    secure = cookies(secure=True)
    assert secure.token_of(cookie(f"better-auth.session_token={COOKIE}")) is None
    assert secure.token_of(cookie(f"__Secure-better-auth.session_token={COOKIE}")) == TOKEN


def test_a_planted_cookie_beside_the_real_one_is_passed_over() -> None:
    planted = cookies(secret=OTHER).signer.sign("x" * 32)
    both = cookie(f"better-auth.session_token={planted}", f"better-auth.session_token={COOKIE}")
    assert cookies().token_of(both) == TOKEN


@pytest.mark.parametrize("position", range(len(SIGNED)))
def test_flipping_any_bit_of_a_signed_value_is_refused(position: int) -> None:
    """S6: also the spare bits of base64's last character."""
    signer = CookieSigner(SECRET)
    for bit in range(8):
        flipped = SIGNED[:position] + chr(ord(SIGNED[position]) ^ 1 << bit) + SIGNED[position + 1 :]
        assert signer.unsign(flipped) is None


@pytest.mark.parametrize("value", ["", ".", "abc.def", TOKEN, f"{TOKEN}.", f".{'A' * 43}=", f"{TOKEN}.{'é' * 44}"])
def test_what_is_not_signed_is_nothing(value: str) -> None:
    assert CookieSigner(SECRET).unsign(value) is None


def test_a_former_secret_opens_sessions_only_while_it_is_listed() -> None:
    """S6, K1: rotation without signing everybody out; new cookies are signed with the new secret."""
    old = cookie(f"better-auth.session_token={COOKIE}")
    assert cookies(secret=OTHER, former=(SECRET,)).token_of(old) == TOKEN
    assert cookies(secret=OTHER).token_of(old) is None
    assert cookies(secret=OTHER, former=(SECRET,)).signer.sign(TOKEN) == CookieSigner(OTHER).sign(TOKEN)


@pytest.mark.parametrize("value", [SIGNED, COOKIE, TOKEN])
def test_a_bearer_token_is_taken_signed_encoded_or_bare(value: str) -> None:
    assert cookies().token_of(request(("authorization", f"Bearer {value}"))) == TOKEN


@pytest.mark.parametrize("value", ["Bearer ", "Bearer short", f"Bearer {TOKEN}.{'A' * 43}=", f"Basic {TOKEN}", TOKEN])
def test_an_invalid_bearer_token_is_ignored_and_the_cookie_counts(value: str) -> None:
    headers = (("authorization", value), ("cookie", f"better-auth.session_token={COOKIE}"))
    assert cookies().token_of(request(*headers)) == TOKEN
    assert cookies().token_of(request(headers[0])) is None


def test_dont_remember_counts_only_when_we_signed_it() -> None:
    assert cookies().is_not_remembered(cookie(f"better-auth.dont_remember={DONT_REMEMBER}"))
    assert not cookies().is_not_remembered(cookie("better-auth.dont_remember=true"))
    assert not cookies().is_not_remembered(cookie(f"better-auth.dont_remember={COOKIE}"))
