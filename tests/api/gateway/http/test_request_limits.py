"""What a client may send too much of, or too slowly."""

import asyncio
import gzip
import itertools
import json
import time
from contextlib import AsyncExitStack

import httpx
import pytest

from gateway.middleware.admission import MAX_WORKING
from gateway.server.rlimit import most_connections
from tests.api.gateway.conftest import Gateway, running
from tests.api.gateway.stand_ins import USER, USER_ID, StandIns
from tests.api.gateway.wire import connection, head, status, talk
from tests.harness.waiting import in_time

JSON = {**USER, "content-type": "application/json"}
AUTHORIZED = f"authorization: {USER['authorization']}"
MEGABYTE = 1024 * 1024


async def test_a_body_of_one_megabyte_is_read_and_one_byte_more_is_not(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    """H2: the limit is on the body as it comes, before anything is parsed."""
    padding = MEGABYTE - len(json.dumps({"userId": USER_ID, "title": ""}))
    body = json.dumps({"userId": USER_ID, "title": "a" * padding}).encode()
    assert len(body) == MEGABYTE
    assert (await http.post("/v1/notifications", headers=JSON, content=body)).status_code == 200
    assert len(services.last("CreateNotification").request.notification.title) == padding
    answer = await http.post("/v1/notifications", headers=JSON, content=body + b" ")
    assert answer.status_code == 413
    assert answer.json()["error"]["details"][0]["reason"] == "BODY_TOO_LARGE"


async def test_two_megabytes_are_refused_in_the_routes_own_shape(http: httpx.AsyncClient) -> None:
    body = b"a" * (2 * MEGABYTE)
    answer = await http.post("/v1/notifications", headers=JSON, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, 413)
    answer = await http.post("/api/auth/sign-in/email", headers=JSON, content=body)
    assert answer.status_code == 413
    assert answer.json()["code"] == "BODY_TOO_LARGE"


async def test_chunks_without_an_end_are_cut_off(gateway: Gateway) -> None:
    """H2: a body that never says how long it is ends at the same limit."""
    first = head(
        "POST", "/v1/notifications", AUTHORIZED, "content-type: application/json", "transfer-encoding: chunked"
    )
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    assert await talk(gateway.port, itertools.chain([first], itertools.repeat(chunk, 1_000))) == 413


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "99999999999999999999999"])
async def test_a_content_length_that_lies_or_is_none_is_refused(gateway: Gateway, length: str) -> None:
    """H2: whatever it says, nothing is reserved for it."""
    request = head(
        "POST", "/v1/notifications", AUTHORIZED, "content-type: application/json", f"content-length: {length}"
    )
    assert await talk(gateway.port, [request, b"{}"]) in (400, 413)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "gzip, identity"])
async def test_a_compressed_body_is_refused_unread(http: httpx.AsyncClient, encoding: str) -> None:
    """H3: a few kilobytes may hold gigabytes."""
    content = gzip.compress(b'{"title":"t"}')
    headers = {**JSON, "content-encoding": encoding}
    for path in ("/v1/notifications", "/api/auth/sign-up/email"):
        assert (await http.post(path, headers=headers, content=content)).status_code == 415


@pytest.mark.parametrize("path", ["/v1/notifications", "/api/auth/sign-up/email"])
async def test_a_second_line_hides_no_compression(gateway: Gateway, path: str) -> None:
    """H3: every line is looked at, not the last alone."""
    lines = ("content-encoding: gzip", "content-encoding: identity", "content-type: application/json")
    request = head("POST", path, AUTHORIZED, *lines, "content-length: 2")
    assert await talk(gateway.port, [request, b"{}"]) == 415


@pytest.mark.parametrize("chunk", [b"-5\r\n", b"ZZ\r\n", b"fffffffffffffffff\r\n", b"2;\n\n{}\r\n"])
@pytest.mark.parametrize(
    ("path", "shape"), [("/v1/notifications", '"INVALID_ARGUMENT"'), ("/api/auth/sign-in/email", '"BODY_BROKEN_OFF"')]
)
async def test_a_chunk_that_is_none_is_refused_in_the_routes_own_shape(
    gateway: Gateway, chunk: bytes, path: str, shape: str
) -> None:
    """H2."""
    request = head("POST", path, AUTHORIZED, "content-type: application/json", "transfer-encoding: chunked")
    async with connection(gateway.port) as (reader, writer):
        writer.write(request + chunk)
        async with asyncio.timeout(5):
            answer = await reader.read(10_000)
    assert b" 400 " in answer.splitlines()[0]
    assert shape in answer.decode()


async def test_headers_of_64_kilobytes_are_refused(gateway: Gateway) -> None:
    """H2."""
    assert await talk(gateway.port, [head("GET", "/healthz", f"x-long: {'a' * 65_536}")]) == 431


async def test_a_hundred_thousand_headers_are_refused(gateway: Gateway) -> None:
    """H2."""
    lines = (f"h{number}: x\r\n".encode() for number in range(100_000))
    assert await talk(gateway.port, [b"GET /healthz HTTP/1.1\r\n", *lines, b"\r\n"]) in (431, 0)
    assert (await gateway.http.get("/healthz")).status_code == 200


async def test_http_2_is_not_spoken(gateway: Gateway) -> None:
    """H4."""
    assert await talk(gateway.port, [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]) in (400, 0)


async def test_a_connection_that_says_nothing_or_never_finishes_its_headers_is_closed(stand_ins: StandIns) -> None:
    """H1: slowloris; meanwhile everybody else is served."""
    stand_ins.reset()
    async with (
        running(stand_ins, TRIVET_HEADER_SECONDS="1") as gateway,
        connection(gateway.port) as (silent, _),
        connection(gateway.port) as (slow, writer),
    ):
        began = time.monotonic()
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: trivet\r\nx-slow: ")
        assert (await gateway.http.get("/healthz")).status_code == 200
        assert await status(slow) in (0, 408)
        assert await status(silent) in (0, 408)
        in_time(time.monotonic() - began, 0.5, 10)


async def test_a_thousand_slow_connections_do_not_slow_the_others(gateway: Gateway) -> None:
    """H1: silent ones, half a header and unfinished bodies, of the last more than may be worked on at once."""
    unfinished = head("POST", "/api/auth/sign-in/email", "content-type: application/json", "content-length: 1000")
    kinds = [b""] * 200 + [b"GET /v1/users HTTP/1.1\r\nhost: "] * 200 + [unfinished + b"{"] * 600
    assert len(kinds) > MAX_WORKING
    most_connections()
    async with AsyncExitStack() as held:
        for sent in kinds:
            _, writer = await held.enter_async_context(connection(gateway.port))
            writer.write(sent)
        async with httpx.AsyncClient(base_url=gateway.http.base_url) as newcomer:
            for path in ("/healthz", "/healthz", "/v1/notifications"):
                answer = await newcomer.get(path, headers=USER, timeout=20)
                assert answer.status_code == 200
                in_time(answer.elapsed.total_seconds(), 0, 4)  # the slow ones are closed after five
    assert await gateway.metric("trivet_http_shed_total") == 0


async def test_clients_that_keep_their_connections_lock_nobody_out(stand_ins: StandIns) -> None:
    """H1: an open connection with nothing to do takes nobody's place."""
    stand_ins.reset()
    most_connections()
    async with running(stand_ins, TRIVET_HEADER_SECONDS="60") as gateway, AsyncExitStack() as held:
        async with asyncio.timeout(15):  # far less than the first one is kept
            for _ in range(700):
                reader, writer = await held.enter_async_context(connection(gateway.port))
                writer.write(head("GET", "/healthz"))
                assert await status(reader) == 200
        async with httpx.AsyncClient(base_url=gateway.http.base_url) as newcomer:
            answer = await newcomer.get("/healthz", timeout=20)
            in_time(answer.elapsed.total_seconds(), 0, 10)  # a place is free in a minute otherwise


async def test_a_body_that_never_comes_is_not_waited_for(stand_ins: StandIns) -> None:
    """H1: a slow body ends as a slow header does."""
    stand_ins.reset()
    request = head("POST", "/v1/notifications", AUTHORIZED, "content-type: application/json", "content-length: 10")
    async with running(stand_ins, TRIVET_HEADER_SECONDS="1") as gateway:
        assert await talk(gateway.port, [request, b"{"]) == 408


async def test_a_client_that_leaves_in_the_middle_is_no_error(gateway: Gateway) -> None:
    """Nothing is answered, and nothing is logged as a failure."""
    request = head("POST", "/v1/notifications", AUTHORIZED, "content-type: application/json", "content-length: 10")
    for _ in range(20):
        async with connection(gateway.port) as (_, writer):
            writer.write(request + b"{")
            await writer.drain()
    assert (await gateway.http.get("/v1/notifications", headers=USER)).status_code == 200
    assert "unexpected failure" not in gateway.process.output()
