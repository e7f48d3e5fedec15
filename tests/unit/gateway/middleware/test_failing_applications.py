"""The outer layers, around applications that fail as no real route should."""

from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.middleware.body_limit import BodyLimit
from gateway.middleware.error_handler import ErrorHandler
from gateway.middleware.request_id import RequestId

CANARY = "SELECT secret FROM users"


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(CANARY)


async def reads(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await Response(str(len(body)))(scope, receive, send)


async def ask(app: ASGIApp, path: str, **request: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://trivet") as http:
        return await http.post(path, **request)


@pytest.mark.parametrize(("path", "shape"), [("/v1/x", b'"status":"INTERNAL"'), ("/api/auth/x", b"")])
async def test_a_failure_nobody_expected_says_nothing_of_itself(
    path: str, shape: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """G7: the traceback is in the log, with the request's id; the answer has the route's own shape and no text."""
    answer = await ask(RequestId(ErrorHandler(broken)), path, headers={"x-request-id": "r-1"})
    assert answer.status_code == 500
    assert shape in answer.content
    assert CANARY not in answer.text
    assert answer.headers["x-request-id"] == "r-1"
    (record,) = [record for record in caplog.records if record.exc_info]
    assert CANARY in str(record.exc_info)
    assert record.__dict__["request_id"] == "r-1"


async def test_without_the_net_the_failure_reaches_the_server() -> None:
    """The protection off."""
    with pytest.raises(RuntimeError, match="secret"):
        await ask(RequestId(broken), "/v1/x")


@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
async def test_a_body_over_the_limit_is_refused(size: int, status: int) -> None:
    """H2."""
    limited = RequestId(ErrorHandler(BodyLimit(reads, limit=10)))
    assert (await ask(limited, "/v1/x", content=b"a" * size)).status_code == status


async def test_without_the_limit_two_megabytes_are_read() -> None:
    """The protection off."""
    answer = await ask(RequestId(ErrorHandler(reads)), "/v1/x", content=b"a" * 2_000_000)
    assert answer.text == "2000000"
