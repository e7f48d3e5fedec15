"""Paths with open segments, and where a link leads in the end."""

import pytest

from gateway.auth.protocol.redirects import absolute, redirect, with_query
from gateway.auth.routes import ROUTES

TOKEN = "0FbWA0Z5411rX4M4clJuOtFD"


def test_a_path_with_a_token_is_known_by_its_template() -> None:
    found = ROUTES.find("GET", f"/reset-password/{TOKEN}")
    assert found is not None
    assert (found.endpoint.path, dict(found.parameters)) == ("/reset-password/:token", {"token": TOKEN})
    assert found.endpoint is ROUTES.endpoints["GET", "/reset-password/:token"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/reset-password/{TOKEN}"),
        ("GET", "/reset-password/"),
        ("GET", f"/reset-password/{TOKEN}/"),
        ("GET", f"/reset-password/a/{TOKEN}"),
        ("GET", f"/reset-password/{TOKEN}\n/x"),
        ("GET", "/reset-password"),
        ("GET", f"/x/reset-password/{TOKEN}"),
    ],
)
def test_what_no_template_matches_is_nothing(method: str, path: str) -> None:
    assert ROUTES.find(method, path) is None


def test_a_path_that_is_spelled_like_a_template_is_a_token() -> None:
    found = ROUTES.find("GET", "/reset-password/:token")
    assert found is not None
    assert dict(found.parameters) == {"token": ":token"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/v", "/v?error=E"),
        ("/v?a=b", "/v?a=b&error=E"),
        ("/v?a=b&", "/v?a=b&error=E"),
        ("/v?", "/v?error=E"),
        ("/v#f?x", "/v?error=E#f?x"),
        ("https://x.io", "https://x.io/?error=E"),
        ("HTTPS://x.io?a", "HTTPS://x.io/?a&error=E"),
        ("myapp://open", "myapp://open?error=E"),
        ("/v?a=%zz~", "/v?a=%zz~&error=E"),
    ],
)
def test_what_is_added_comes_behind_what_was_there(url: str, expected: str) -> None:
    """As the original has it: seen in its answers."""
    assert with_query(url, error="E") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/r", "https://x.io/r?token=T"),
        ("/r?token=old&a=b&token=older#f", "https://x.io/r?token=T&a=b#f"),
        ("/r?a=b~c* d&e", "https://x.io/r?a=b%7Ec*+d&e=&token=T"),
        ("https://y.io", "https://y.io/?token=T"),
        ("myapp://open", "myapp://open?token=T"),
    ],
)
def test_a_path_becomes_absolute_and_its_query_is_written_anew(url: str, expected: str) -> None:
    """As the original has it: seen in its answers."""
    assert absolute(url, "https://x.io", token="T") == expected


def test_no_redirect_breaks_out_of_its_header() -> None:
    """C2: CRLF."""
    location = redirect("/a\r\nset-cookie: x=y").headers["location"]
    assert location == "/a%0D%0Aset-cookie:%20x=y"
