"""Which origins are trusted, and where a link may lead."""

import re
import time

import pytest

from gateway.http.link_target import origin_of
from gateway.http.origins import Origins
from gateway.settings import GatewaySettings
from tests.differential.trusted import POINTLESS, VERDICTS


def origins(*trusted: str, base_url: str = "https://app.example.com") -> Origins:
    settings = GatewaySettings(secret="s" * 32, base_url=base_url, trusted_origins=trusted, trust_loopback="off")
    return Origins(settings)


@pytest.mark.parametrize(
    ("pattern", "trusted", "foreign"),
    [
        (
            "https://a.io",
            ["https://a.io"],
            ["http://a.io", "https://a.io:8443", "https://b.a.io", "https://a.io.evil.com"],
        ),
        ("https://a.io:443", ["https://a.io"], ["https://a.io:444"]),
        ("http://localhost:3000", ["http://localhost:3000"], ["http://localhost", "http://localhost:30000"]),
        (
            "https://*.good.com",
            ["https://x.good.com", "https://a-1.good.com"],
            [
                "https://good.com",
                "https://evilgood.com",
                "https://a.b.good.com",
                "https://x.good.com.evil.io",
                "http://x.good.com",
                "https://x.good.com:8443",
                "https://.good.com",
                "https://x@y.good.com",
            ],
        ),
        ("*.good.com", ["https://x.good.com", "http://x.good.com"], ["https://evilgood.com", "ftp://x.good.com"]),
        ("https://pr-?.good.com", ["https://pr-1.good.com"], ["https://pr-12.good.com", "https://pr-.good.com"]),
        ("http://localhost:*", ["http://localhost:3000"], ["http://localhost.evil.io:3000"]),
        ("http://192.168.1.*", ["http://192.168.1.7"], ["http://192.168.1.7.evil.io", "http://192.168.1.evil"]),
        ("http://*.*.*.x", ["http://a.b.c.x"], ["http://192.168.1.7"]),
    ],
)
def test_a_pattern_matches_labels_never_substrings(pattern: str, trusted: list[str], foreign: list[str]) -> None:
    """C3."""
    known = origins(pattern)
    assert [origin for origin in trusted if not known.trusts(origin)] == []
    assert [origin for origin in foreign if known.trusts(origin)] == []


def test_our_own_origin_is_trusted_and_null_and_nothing_are_not() -> None:
    known = origins()
    assert known.trusts("https://app.example.com")
    assert not any(known.trusts(origin) for origin in ("null", "", "*", "https://", "app.example.com"))


@pytest.mark.parametrize("pattern", VERDICTS)
def test_a_pattern_admits_what_the_original_admits(pattern: str) -> None:
    """C2, C3: `tests/client` asks the original about the same table."""
    known = origins(pattern)
    assert [url for url in VERDICTS[pattern].admitted if not known.trusts_url(url)] == []
    assert [url for url in VERDICTS[pattern].refused if known.trusts_url(url)] == []


@pytest.mark.parametrize("pattern", POINTLESS)
def test_what_could_match_nothing_or_every_page_is_refused_at_start(pattern: str) -> None:
    """C3."""
    with pytest.raises(ValueError, match=re.escape(POINTLESS[pattern])) as refused:
        origins(pattern)
    assert f"`{pattern}` " in str(refused.value)


PAGES_OF_THIS_MACHINE = ("http://localhost:5173", "http://127.0.0.1", "https://[::1]:8443")


def test_in_development_every_page_of_this_machine_is_trusted() -> None:
    """A dev server picks its port, and nobody lists them all."""
    known = Origins(GatewaySettings(secret="s" * 32, base_url="https://app.example.com"))
    assert all(known.trusts(page) and known.trusts_url(f"{page}/in?x=1") for page in PAGES_OF_THIS_MACHINE)
    foreign = ("http://localhost.evil.io:5173", "http://127.0.0.1.evil.io", "http://a@localhost:1", "ftp://localhost")
    assert not any(known.trusts(page) or known.trusts_url(page) for page in foreign)


def test_in_production_a_page_of_this_machine_is_as_foreign_as_any() -> None:
    known = Origins(GatewaySettings(secret="s" * 32, base_url="https://app.example.com", environment="production"))
    assert not any(known.trusts(page) or known.trusts_url(page) for page in PAGES_OF_THIS_MACHINE)


@pytest.mark.parametrize(
    ("base_url", "said"),
    [
        ("https://user:pw@app.io", "without userinfo"),
        ("https://app.io:99999", "TRIVET_BASE_URL"),
        ("https://münchen.example", "`xn--mnchen-3ya.example`"),
    ],
)
def test_a_base_url_that_no_page_could_have_is_refused_at_start(base_url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        origins(base_url=base_url)


def test_a_path_pins_links_and_no_page_sends_cookies_by_it() -> None:
    """An Origin header has no path, so it proves nothing of one."""
    known = origins("https://a.io/cb", "https://*.good.io/cb/**", "https://b.io/", "https://*.c.io/**")
    assert not known.trusts("https://a.io")
    assert not known.trusts("https://x.good.io")
    assert known.trusts_url("https://x.good.io/cb/done")
    assert known.trusts("https://b.io")
    assert known.trusts("https://x.c.io")


@pytest.mark.parametrize("origin", ["chrome-extension://abcdef", "exp://192.168.1.5:8081", "capacitor://localhost"])
def test_an_app_s_own_origin_may_send_cookies(origin: str) -> None:
    known = origins("chrome-extension://*", "exp://192.168.*.*:*/**", "capacitor://localhost")
    assert known.trusts(origin)
    assert not origins().trusts(origin)


@pytest.mark.parametrize("url", ["exp://" + "a" * 300 + "/x", "exp://a/" + "x" * 5_000])
def test_what_is_longer_than_any_address_is_not_compared(url: str) -> None:
    assert not origins("exp://**").trusts_url(url)


def test_many_wildcards_take_no_longer() -> None:
    """A backtracking expression would take minutes for this, on the event loop."""
    known = origins("exp://*a*a*a*a*a*a*b/*a*a*a*a*a*a*b", "https://*-*-*-*-*-*-*.b.io")
    began = time.perf_counter()
    for url in ("exp://" + "a" * 250, "exp://aaaab/" + "a" * 4_000, "https://" + "-" * 250 + ".c.io"):
        assert not known.trusts_url(url)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "url",
    [
        "https://good@evil.io/",
        "https://app.example.com@evil.io",
        "https://app.example.com\\@evil.io",
        "https://app.example.com\n.evil.io",
        "https://user:pw@app.example.com/",
        "https:evil.io",
        "//evil.io",
        "/\\evil.io",
        "javascript:alert(1)",
        "data:text/html,x",
        "myappevil://x",
        "myapp://callbackevil",
    ],
)
def test_a_link_that_leads_elsewhere_is_not_trusted(url: str) -> None:
    """C2."""
    assert not origins("myapp://callback").trusts_url(url)


@pytest.mark.parametrize(
    "url",
    ["https://app.example.com/a?b=c#d", "https://APP.example.com:443/x", "myapp://callback", "myapp://callback/x?y"],
)
def test_a_link_to_a_trusted_page_or_app_is_trusted(url: str) -> None:
    assert origins("myapp://callback").trusts_url(url)


def test_an_origin_is_spelled_as_browsers_do() -> None:
    assert origin_of("HTTPS://App.Example.com:443/path?x") == "https://app.example.com"
    assert origin_of("http://[::1]:3000/") == "http://[::1]:3000"
    assert origin_of("myapp://x") == ""
    assert origin_of("https://host:port/") == ""
