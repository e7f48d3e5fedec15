"""What every answer carries: ids, the trace, and what browsers must not do with it."""

import httpx
import pytest

from tests.api.gateway.conftest import running
from tests.api.gateway.stand_ins import USER, StandIns
from tests.api.gateway.wire import head, talk

PATHS = ["/healthz", "/v1/notifications", "/v1/nowhere", "/api/auth/ok", "/api/auth/nowhere", "/docs"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("path", PATHS)
async def test_a_request_id_that_comes_in_goes_out(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path, headers={"x-request-id": "job-7.a_b"})).headers["x-request-id"] == "job-7.a_b"
    made = {(await http.get(path)).headers["x-request-id"] for _ in range(2)}
    assert len(made) == 2


@pytest.mark.parametrize("sent", ["a b", "a" * 129, "ü", "a;b", ""])
async def test_a_request_id_that_is_none_is_replaced(http: httpx.AsyncClient, sent: str) -> None:
    """I3: it reaches logs and headers, so it is letters, digits and `._-` alone."""
    answer = await http.get("/healthz", headers=[(b"x-request-id", sent.encode())])
    assert answer.headers["x-request-id"] != sent
    assert len(answer.headers["x-request-id"]) == 32


async def test_the_callers_trace_goes_through_to_the_service_and_back(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    answer = await http.get("/v1/notifications", headers={**USER, "traceparent": parent})
    assert answer.headers["traceparent"].split("-")[1] == TRACE


@pytest.mark.parametrize("path", PATHS)
async def test_no_type_is_guessed(http: httpx.AsyncClient, path: str) -> None:
    """H5."""
    assert (await http.get(path)).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/nowhere", "/api/auth/ok", "/api/auth/get-session"])
async def test_personal_answers_are_not_stored(http: httpx.AsyncClient, path: str) -> None:
    """S5."""
    assert (await http.get(path, headers=USER)).headers["cache-control"] == "no-store"


async def test_a_page_may_not_be_framed_and_runs_its_own_script_alone(http: httpx.AsyncClient) -> None:
    """H5."""
    headers = (await http.get("/docs")).headers
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


async def test_https_is_kept_where_it_is_used(http: httpx.AsyncClient, stand_ins: StandIns) -> None:
    """H5: HSTS only where browsers use HTTPS, which the base URL says, never a header of the request's."""
    answer = await http.get("/healthz", headers={"x-forwarded-proto": "https", "x-forwarded-host": "evil.example"})
    assert "strict-transport-security" not in answer.headers
    async with running(stand_ins, TRIVET_BASE_URL="https://app.example.com") as secure:
        answer = await secure.http.get("/healthz")
    assert "max-age=31536000" in answer.headers["strict-transport-security"]


async def test_production_serves_no_description_and_no_mailbox(stand_ins: StandIns) -> None:
    """H5: unless TRIVET_DOCS says so."""
    production = {"TRIVET_ENV": "production", "TRIVET_BASE_URL": "https://app.example.com"}
    async with running(stand_ins, **production) as gateway:
        for path in ("/docs", "/openapi.json", "/dev/mailbox"):
            assert (await gateway.http.get(path)).status_code == 404
    async with running(stand_ins, **production, TRIVET_DOCS="on") as gateway:
        assert (await gateway.http.get("/docs")).status_code == 200


async def test_a_control_character_cannot_be_smuggled_into_a_header(http: httpx.AsyncClient) -> None:
    """I3: refused by the server before anything sees it."""
    port = http.base_url.port
    assert port is not None
    for control in "\x00\x1b\r":
        assert await talk(port, [head("GET", "/healthz", f"x-request-id: a{control}b")]) == 400
