"""What is wrong with a request's target, method, media type or host is refused; never a 500."""

import asyncio
import json

import httpx
import pytest

from tests.api.gateway.answers import error_of
from tests.api.gateway.conftest import Gateway
from tests.api.gateway.stand_ins import ADMIN, USER, StandIns
from tests.api.gateway.wire import connection, head, talk


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_body_that_says_it_is_something_else_is_415(http: httpx.AsyncClient, media_type: str) -> None:
    """C1: what a form can send across sites is never read as JSON."""
    answer = await http.post("/v1/notifications", headers={**USER, "content-type": media_type}, content=b"{}")
    assert answer.status_code == 415
    assert error_of(answer)["details"][0]["reason"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_json_may_name_its_encoding(http: httpx.AsyncClient, media_type: str) -> None:
    answer = await http.post(
        "/v1/sessions:revokeAll", headers={**USER, "content-type": media_type}, content=json.dumps({})
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/users/",
        "/v1//users",
        "/v1/users/a/b",
        "/v1/users/%ff",
        "/V1/users",
        "/v1/users:",
        "/v2/users",
        "/v1/users/a:ban/x",
        "/openapi.yaml",
        "/metrics",
    ],
)
async def test_an_unknown_route_is_404(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.send(http.build_request("GET", f"http://{http.base_url.netloc.decode()}{path}", headers=ADMIN))
    assert answer.status_code == 404
    assert error_of(answer)["status"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/v1/users", "GET, HEAD"),
        ("PUT", "/v1/users/u1", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/v1/sessions:revokeAll", "POST"),
        ("HEAD", "/v1/sessions:revokeAll", "POST"),
        ("HEAD", "/webhooks/stripe", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/v1/me", "GET, HEAD"),
        ("BREW", "/v1/users", "GET, HEAD"),
        ("OPTIONS", "/v1/users", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    http: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await http.request(method, path, headers=USER)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    if method != "HEAD":
        assert error_of(answer)["details"][0]["reason"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("DELETE", "/v1/users/me", "password"),
        ("DELETE", "/v1/sessions/x", "token"),
    ],
)
async def test_a_secret_in_a_url_is_refused_before_anybody_is_asked(
    http: httpx.AsyncClient, services: StandIns, method: str, path: str, name: str
) -> None:
    """L2, A4: it would be kept in logs and histories, and no limit counts the tries."""
    answer = await http.request(method, path, headers=USER, params={name: "correct horse battery"})
    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["reason"] == "SECRET_IN_URL"
    assert "correct horse" not in answer.text
    assert not {call.name for call in services.calls} & {"DeleteUser", "RevokeSession"}


@pytest.mark.parametrize("path", ["/v1%2Fme", "/v1%2fme", "/api/auth%2fok", "/api%2Fauth/ok"])
async def test_an_encoded_slash_parts_nothing(gateway: Gateway, path: str) -> None:
    """What a proxy takes for one segment is one segment here, or there is no such route."""
    assert await talk(gateway.port, [head("GET", path, f"authorization: {USER['authorization']}")]) == 404


async def test_an_encoded_slash_in_a_query_is_nothing_special(gateway: Gateway) -> None:
    assert await talk(gateway.port, [head("GET", "/healthz?next=%2Fhome")]) == 200


@pytest.mark.parametrize("path", ["/v1/notifications", "/api/auth/sign-in/email"])
@pytest.mark.parametrize("types", [("application/json", "text/plain"), ("text/plain", "application/json")])
async def test_two_media_types_are_none(gateway: Gateway, path: str, types: tuple[str, str]) -> None:
    """C1: a proxy in front could judge one, and we another."""
    lines = (f"authorization: {USER['authorization']}", *(f"content-type: {each}" for each in types))
    assert await talk(gateway.port, [head("POST", path, *lines, "content-length: 2"), b"{}"]) == 415


@pytest.mark.parametrize("path", ["/v1/me", "/v1/notifications"])
async def test_two_authorizations_sign_nobody_in(gateway: Gateway, path: str) -> None:
    own, other = USER["authorization"], f"Bearer {'x' * 32}"
    for pair in ((own, other), (other, own), (own, own)):
        lines = [f"authorization: {each}" for each in pair]
        assert await talk(gateway.port, [head("GET", path, *lines)]) == 401


@pytest.mark.parametrize("path", ["/healthz", "/v1/me", "/api/auth/get-session"])
@pytest.mark.parametrize(
    "lines",
    [[], ["host:"], ["host: trivet"] * 2, ["host: trivet", "host: evil.io"], ["host: a/b"], ["host: u@trivet"]],
    ids=str,
)
async def test_a_request_names_one_host(gateway: Gateway, path: str, lines: list[str]) -> None:
    """C4: a proxy in front could take the other one for the right one."""
    request = [f"GET {path} HTTP/1.1", *lines, f"authorization: {USER['authorization']}", "", ""]
    async with connection(gateway.port) as (reader, writer):
        writer.write("\r\n".join(request).encode())
        answer = await asyncio.wait_for(reader.read(10_000), 10)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"INVALID_HOST" in answer


@pytest.mark.parametrize("host", ["trivet:8080", "[::1]:8080", "app.example.com."])
async def test_any_one_host_will_do(gateway: Gateway, host: str) -> None:
    assert await talk(gateway.port, [f"GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()]) == 200


async def test_http_1_0_may_leave_the_host_out(gateway: Gateway) -> None:
    assert await talk(gateway.port, [b"GET /healthz HTTP/1.0\r\n\r\n"]) == 200
