"""Who may read answers from a page of another origin."""

import httpx
import pytest

from tests.api.gateway.conftest import PAGE
from tests.api.gateway.sessions.session_scene import BY_ITSELF
from tests.api.gateway.stand_ins import USER, StandIns

FOREIGN = [
    "https://evil.example",
    "https://app.example.com.evil.io",
    "https://evilapp.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://APP.example.com/",
    "https://a.b.example.org",
    "https://example.org",
    "https://evilexample.org",
    "https://x.example.org@evil.io",
    "null",
    "*",
]


@pytest.mark.parametrize("origin", [PAGE, "https://pr-7.example.org"])
async def test_a_trusted_page_may_read_answers_with_its_cookies(http: httpx.AsyncClient, origin: str) -> None:
    answer = await http.get("/v1/notifications", headers={**USER, "origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"set-auth-token", "set-auth-jwt", "x-retry-after", "x-request-id", "etag"} <= set(exposed)
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_page_gets_no_cors_headers(http: httpx.AsyncClient, origin: str) -> None:
    """C3, C5: an origin is matched as a whole, a wildcard as one label; none is echoed that is not trusted."""
    for method in ("GET", "OPTIONS"):
        headers = {**USER, "origin": origin, "access-control-request-method": "POST"}
        answer = await http.request(method, "/v1/notifications", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "origin" in answer.headers["vary"].lower()


async def test_a_preflight_is_answered_without_a_session(http: httpx.AsyncClient, services: StandIns) -> None:
    asked = "authorization,content-type,idempotency-key"
    headers = {"origin": PAGE, "access-control-request-method": "PATCH", "access-control-request-headers": asked}
    answer = await http.options("/v1/users/me", headers=headers)
    assert answer.status_code == 204
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == asked
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert {call.name for call in services.calls} <= BY_ITSELF


async def test_a_failure_can_be_read_by_the_page_too(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/nowhere", headers={"origin": PAGE})
    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"origin": PAGE}, None),
        ({"origin": "https://evil.example"}, "INVALID_ORIGIN"),
        ({"origin": "https://evil.example", "referer": PAGE}, "INVALID_ORIGIN"),
        ({"origin": "null"}, "MISSING_OR_NULL_ORIGIN"),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, None),
        ({"origin": "null", "sec-fetch-site": "cross-site"}, "MISSING_OR_NULL_ORIGIN"),
        ({"sec-fetch-site": "same-origin"}, "MISSING_OR_NULL_ORIGIN"),
        ({"sec-fetch-site": "cross-site"}, "MISSING_OR_NULL_ORIGIN"),
        ({"referer": f"{PAGE}/inbox"}, None),
        ({"referer": "https://evil.example/"}, "INVALID_ORIGIN"),
        ({}, "MISSING_OR_NULL_ORIGIN"),
    ],
    ids=str,
)
async def test_a_cookie_changes_nothing_for_a_foreign_page_under_any_route(
    http: httpx.AsyncClient, services: StandIns, headers: dict[str, str], reason: str | None
) -> None:
    """C1: one rule, the protocol's, under /v1 and /api/auth."""
    sent = {**USER, "cookie": "a=b", **headers}
    answer = await http.post("/v1/notifications:markAllRead", headers=sent)
    assert any(call.name == "MarkAllRead" for call in services.calls) is (reason is None)
    said = answer.json()["error"]["details"][0]["reason"] if answer.status_code == 403 else None
    assert (answer.status_code, said) == (403 if reason else 200, reason)
    answer = await http.post("/api/auth/get-session", headers=sent)
    allowed = (405, "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED")
    assert (answer.status_code, answer.json()["code"]) == ((403, reason) if reason else allowed)


async def test_two_origins_are_no_trusted_page(http: httpx.AsyncClient) -> None:
    both = [("authorization", USER["authorization"]), ("cookie", "a=b"), ("origin", PAGE), ("origin", PAGE)]
    for path in ("/v1/notifications:markAllRead", "/api/auth/get-session"):
        assert (await http.post(path, headers=both)).status_code == 403


async def test_a_bearer_token_alone_needs_no_origin(http: httpx.AsyncClient) -> None:
    """A page cannot make a browser send it, so there is nothing to forge."""
    answer = await http.post("/v1/notifications:markAllRead", headers={**USER, "origin": "https://evil.example"})
    assert answer.status_code == 200
