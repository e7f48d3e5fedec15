"""Which origins are trusted, and where a link may lead."""

import pytest

from gateway.origins import Origins, origin_of
from gateway.settings import GatewaySettings


def origins(*trusted: str, base_url: str = "https://app.example.com") -> Origins:
    return Origins(GatewaySettings(secret="s" * 32, base_url=base_url, trusted_origins=trusted))


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
        ("http://*.*.*.*", ["http://a.b.c.d"], ["http://192.168.1.7"]),
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


def test_a_bare_wildcard_is_refused_at_start_up() -> None:
    """C3."""
    with pytest.raises(ValueError, match=r"must not be `\*`"):
        origins("*")


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
