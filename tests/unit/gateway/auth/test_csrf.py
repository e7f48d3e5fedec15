"""Which requests a foreign page may cause, and where an answer may send the browser."""

from collections.abc import Callable

import pytest
from starlette.requests import Request

from gateway.auth.protocol import csrf
from gateway.auth.protocol.refusals import Refusal
from gateway.http.origins import Origins
from gateway.settings import GatewaySettings

ORIGINS = Origins(
    GatewaySettings(
        secret="a secret of a good length, 0123456789",
        base_url="https://app.example.com",
        trusted_origins=("https://*.good.com", "myapp://callback"),
    )
)
SELF = "https://app.example.com"
COOKIE = {"cookie": "theme=dark"}


def request(headers: dict[str, str], query: str = "") -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw, "query_string": query.encode()})


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),
        ({"origin": "https://evil.com"}, None),  # no cookies: nothing to misuse
        (COOKIE, "MISSING_OR_NULL_ORIGIN"),
        (COOKIE | {"origin": "null"}, "MISSING_OR_NULL_ORIGIN"),
        (COOKIE | {"origin": "null", "sec-fetch-site": "cross-site"}, "MISSING_OR_NULL_ORIGIN"),
        (COOKIE | {"origin": "null", "sec-fetch-site": "same-origin"}, None),
        (COOKIE | {"origin": SELF}, None),
        (COOKIE | {"origin": "https://a.good.com"}, None),
        (COOKIE | {"origin": "https://evil.com"}, "INVALID_ORIGIN"),
        (COOKIE | {"origin": "http://app.example.com"}, "INVALID_ORIGIN"),
        (COOKIE | {"origin": "https://app.example.com.evil.com"}, "INVALID_ORIGIN"),
        (COOKIE | {"origin": "https://evilgood.com"}, "INVALID_ORIGIN"),
        (COOKIE | {"origin": "evil"}, "INVALID_ORIGIN"),
        (COOKIE | {"referer": f"{SELF}/page?x=1"}, None),
        (COOKIE | {"referer": "https://evil.com/app.example.com"}, "INVALID_ORIGIN"),
        (COOKIE | {"origin": "https://evil.com", "referer": f"{SELF}/page"}, "INVALID_ORIGIN"),
    ],
)
def test_a_request_with_cookies_comes_from_a_trusted_page(headers: dict[str, str], code: str | None) -> None:
    """C1: the rule for a missing Origin is the Referer's, and without either the request is refused."""
    _expect(code, lambda: csrf.check_cookie_origin(request(headers), ORIGINS))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),  # curl
        ({"origin": SELF}, None),
        ({"origin": "https://evil.com"}, "INVALID_ORIGIN"),
        ({"referer": "https://evil.com/"}, "INVALID_ORIGIN"),
        ({"sec-fetch-mode": "cors"}, "MISSING_OR_NULL_ORIGIN"),  # Node's fetch
        ({"sec-fetch-site": "same-origin", "origin": SELF}, None),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": "https://a.good.com"}, None),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": "https://evil.com"}, "INVALID_ORIGIN"),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED"),
        (
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "origin": SELF},
            "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
        ),
    ],
)
def test_a_first_sign_in_is_guarded_by_fetch_metadata(headers: dict[str, str], code: str | None) -> None:
    """C1: before there is a cookie, a form of another site must not sign anybody in."""
    _expect(code, lambda: csrf.check_first_sign_in(request(headers), ORIGINS))


SAFE = [
    "/",
    "/dash",
    "/dash?tab=1&next=a%2Fb",
    "/a/b.c-d_e+f@g",
    "/caf%C3%A9#top",
    "https://app.example.com/x",
    "https://a.good.com/",
    "myapp://callback/done",
]
UNSAFE = [
    "//e.vil",
    "///e.vil",
    "/\\e.vil",
    "/%5Ce.vil",
    "/%5ce.vil",
    "/%2Fe.vil",
    "/%2fe.vil",
    "/%09/e.vil",
    "/\t/e.vil",
    "/%0d%0aset-cookie:x",
    "/x\r\nset-cookie: a=b",
    "/x y",
    "\\\\e.vil",
    "https:e.vil",
    "https:/e.vil",
    "javascript:alert(1)",
    "javascript://app.example.com/%0aalert(1)",
    "data:text/html,x",
    "https://app.example.com@e.vil",
    "https://good@e.vil",
    "https://a.good.com.e.vil",
    "https://evilgood.com",
    "https://app.example.com:444",
    "https://app.example.com\\@e.vil",
    "http://app.example.com",
    " https://app.example.com",
    "e.vil",
    "dash",
    "myapp://callback.e.vil",
]


@pytest.mark.parametrize("url", SAFE)
def test_a_callback_may_stay_here_or_go_to_a_trusted_origin(url: str) -> None:
    csrf.check_callbacks(request({}), {"callbackURL": url}, ORIGINS)


@pytest.mark.parametrize("name", csrf.CALLBACKS)
@pytest.mark.parametrize("url", UNSAFE)
def test_no_callback_leads_elsewhere_however_it_is_spelled(name: str, url: str) -> None:
    """C2."""
    _expect(csrf.CALLBACKS[name].code, lambda: csrf.check_callbacks(request({}), {name: url}, ORIGINS))


@pytest.mark.parametrize("name", csrf.CALLBACKS)
@pytest.mark.parametrize(
    "rest", ["/../evil", "/%2e%2e/evil", "/x/%2E%2E/../evil", "/..%2fevil", "evil", "/%5c..%5cevil"]
)
@pytest.mark.parametrize("app", ["myapp://callback/auth", "https://app.io/cb"])
def test_no_callback_leaves_the_path_that_a_trusted_origin_names(name: str, rest: str, app: str) -> None:
    """C2: or a reset token would go to another part of the app."""
    known = Origins(GatewaySettings(secret="s" * 32, base_url=SELF, trusted_origins=(app,)))
    csrf.check_callbacks(request({}), {name: f"{app}/done?x=1"}, known)
    _expect(csrf.CALLBACKS[name].code, lambda: csrf.check_callbacks(request({}), {name: app + rest}, known))


def test_a_callback_in_the_query_is_judged_as_well() -> None:
    """C2."""
    foreign = request({}, "callbackURL=https%3A%2F%2Fe.vil")
    _expect("INVALID_CALLBACK_URL", lambda: csrf.check_callbacks(foreign, {}, ORIGINS))
    _expect("INVALID_CALLBACK_URL", lambda: csrf.check_callbacks(foreign, None, ORIGINS))


def _expect(code: str | None, check: Callable[[], None]) -> None:
    if code is None:
        check()
        return
    with pytest.raises(Refusal) as refused:
        check()
    assert (refused.value.status, refused.value.code) == (403, code)
