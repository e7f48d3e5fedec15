"""HEAD: what a GET would answer, without its body; under /api/auth nothing, as in the original."""

import httpx
import pytest

from tests.api.gateway.conftest import Gateway
from tests.api.gateway.sessions.session_scene import BY_ITSELF
from tests.api.gateway.stand_ins import USER, StandIns
from tests.api.gateway.wire import connection, head

READS = ["/v1/notifications", "/v1/notifications/n1", "/v1/users/me", "/v1/me", "/healthz", "/openapi.json", "/docs"]
ITS_OWN = {"x-request-id", "traceparent", "date"}


@pytest.mark.parametrize("path", READS)
async def test_head_answers_what_get_answers_without_its_body(http: httpx.AsyncClient, path: str) -> None:
    """RFC 9110, 9.3.2: the same status and the same headers."""
    full, bare = [await http.request(method, path, headers=USER) for method in ("GET", "HEAD")]
    assert (bare.status_code, bare.content) == (200, b"")
    assert bare.headers["content-length"] == str(len(full.content))
    assert set(bare.headers) - ITS_OWN == set(full.headers) - ITS_OWN
    assert bare.headers.get("etag") == full.headers.get("etag")


async def test_nothing_follows_the_headers_on_the_connection(gateway: Gateway) -> None:
    """Or the next answer would begin in the body of this one."""
    async with connection(gateway.port) as (reader, writer):
        authorized = f"authorization: {USER['authorization']}"
        writer.write(head("HEAD", "/v1/notifications", authorized) + head("GET", "/healthz", "connection: close"))
        first, second = (await reader.read()).split(b"\r\n\r\n", 1)
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")
    assert second.endswith(b'{"status":"ok"}')


async def test_a_page_is_there_for_head_too(http: httpx.AsyncClient) -> None:
    answer = await http.head("/", headers={"accept": "text/html"})
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_read_that_fails_says_so_without_a_body(http: httpx.AsyncClient) -> None:
    answer = await http.head("/v1/notifications")
    assert (answer.status_code, answer.content) == (401, b"")


async def test_what_the_caller_has_kept_is_not_answered_again(http: httpx.AsyncClient) -> None:
    etag = (await http.head("/v1/users/me", headers=USER)).headers["etag"]
    assert (await http.head("/v1/users/me", headers={**USER, "if-none-match": etag})).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/get-session",
        "/ok",
        "/verify-email?token=x",
        "/reset-password/x?callbackURL=/",
        "/delete-user/callback?token=x",
        "/callback/github?code=x&state=y",
    ],
)
async def test_a_scanner_of_links_spends_nothing(http: httpx.AsyncClient, services: StandIns, path: str) -> None:
    """The original has no HEAD: a mail program that looks where a link leads must not use it up."""
    answer = await http.head(f"/api/auth{path}", headers=USER)
    assert (answer.status_code, answer.content) == (404, b"")
    assert {call.name for call in services.calls} <= BY_ITSELF
