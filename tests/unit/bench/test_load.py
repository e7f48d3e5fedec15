"""The load generator counts what it should: a benchmark whose failures look like speed would be worse than none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from bench.load import http_saturation, rpc
from bench.load.generator import Generator
from bench.load.http import request
from bench.load.rpc import Rpc
from bench.load.samples import LOAD, Figures, Round

SHORT_SECONDS = 0.05
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
REFUSED = b"HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nhello"
OTHER = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull"


@asynccontextmanager
async def answering(answer: bytes, *, in_pieces: bool = False) -> AsyncIterator[int]:
    """Run an HTTP server that has this one answer, and yield its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in (answer[:20], answer[20:-3], answer[-3:]) if in_pieces else (answer,):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def in_a_thread(load: Callable[..., Awaitable[Round]], *arguments: object) -> Awaitable[Round]:
    """Make a load beside the loop that serves it."""

    async def once() -> Round:
        return await load(*arguments)

    return asyncio.to_thread(lambda: asyncio.run(once()))


@pytest.mark.parametrize(
    ("answer", "fails"),
    [(OK, False), (CHUNKED, False), (REFUSED, True), (OTHER, True)],
    ids=["ok", "chunked", "503", "other"],
)
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_an_answer_counts_if_it_is_whole_and_right(answer: bytes, fails: bool, in_pieces: bool) -> None:
    expects = b"hel"
    async with answering(answer, in_pieces=in_pieces) as port:
        asked = request(port, "GET", "/", {}, expects=expects)
        found = await in_a_thread(http_saturation.sustained, asked, 2, SHORT_SECONDS)
    assert found.milliseconds
    assert found.failures == (len(found.milliseconds) if fails else 0)


async def test_each_request_is_sent_once_and_no_more() -> None:
    async with answering(OK) as port:
        asked = [request(port, "GET", f"/{number}", {}) for number in range(7)]
        found = await in_a_thread(http_saturation.each_once, asked, 3, 10.0)
    assert len(found.milliseconds) == 7


async def test_a_server_that_hangs_up_is_an_error_and_not_a_fast_answer() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        asked = request(server.sockets[0].getsockname()[1], "GET", "/", {})
        with pytest.raises(ConnectionError):
            await in_a_thread(http_saturation.sustained, asked, 1, SHORT_SECONDS)


async def test_a_server_that_does_not_answer_is_waited_for_with_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_saturation, "TIMEOUT_SECONDS", 0.05)
    async with answering(b"") as port:
        with pytest.raises(TimeoutError):
            await in_a_thread(http_saturation.sustained, request(port, "GET", "/", {}), 1, SHORT_SECONDS)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[str, list[tuple[bytes, str]]]]:
    """Run a gRPC server that answers /a.B/Echo and refuses /a.B/Refuse; yield its address and what it was asked."""
    asked: list[tuple[bytes, str]] = []

    async def echo(content: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        asked.append((content, str(dict(context.invocation_metadata() or ())["proof"])))
        return content

    async def refuse(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")

    handlers: dict[str, Any] = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.B", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}", asked
    finally:
        await server.stop(None)


@pytest.mark.parametrize("length", [0, 126, 127, 128, 255, 1_000])
async def test_every_call_arrives_with_its_message_and_its_metadata(length: int) -> None:
    """HPACK spells lengths from 127 on otherwise, and an index stands for a header from the second call on."""
    proof = "x" * length
    async with serving() as (address, asked):
        call = Rpc(address, "a.B/Echo", b"a message", (("proof", proof),))
        found = await in_a_thread(rpc.sustained, call, 4, SHORT_SECONDS)
    assert found.failures == 0
    assert len(found.milliseconds) == len(asked) > 4
    assert set(asked) == {(b"a message", proof)}


async def test_a_refused_call_is_a_failure() -> None:
    async with serving() as (address, _):
        found = await in_a_thread(rpc.sustained, Rpc(address, "a.B/Refuse", b""), 2, SHORT_SECONDS)
    assert found.failures == len(found.milliseconds) > 0


async def test_more_is_sent_than_a_first_window_holds() -> None:
    """A connection's window is 64 KiB until the server gives more room."""
    async with serving() as (address, asked):
        call = Rpc(address, "a.B/Echo", b"x" * 10_000, (("proof", ""),))
        found = await in_a_thread(rpc.sustained, call, 2, 0.3)
    assert found.failures == 0
    assert len(asked) * 10_000 > 2 * rpc.FIRST_WINDOW


def test_a_load_that_fails_takes_no_other_along(capfd: pytest.CaptureFixture[str]) -> None:
    with Generator() as generator:
        with pytest.raises(RuntimeError, match="died"):
            generator.run("http", request(1, "GET", "/", {}), 1, SHORT_SECONDS)
        generator.start("hash", "a password", 1, SHORT_SECONDS)
        found: Round = generator.result()
    assert found.milliseconds
    assert "ConnectionRefusedError" in capfd.readouterr().err


def test_a_load_that_hangs_is_ended() -> None:
    with Generator() as generator:
        generator.start("hash", "a password", 1, 60.0)
        with pytest.raises(TimeoutError):
            generator.result(0.2)
        found: Round = generator.run("hash", "a password", 1, SHORT_SECONDS)
    assert found.milliseconds


@pytest.mark.parametrize(
    ("burnt", "shared", "is_floor", "bottleneck"),
    [
        ({"gateway": 0.99, LOAD: 0.3}, True, False, "gateway 99%"),
        ({"gateway": 0.6, LOAD: 0.95}, False, True, f"{LOAD} 95%"),
        ({"gateway": 0.6, LOAD: 0.5, "cache": 0.45}, True, True, "gateway 60%"),
        ({"gateway": 0.6, LOAD: 0.5, "cache": 0.45}, False, False, "gateway 60%"),
    ],
)
def test_a_rate_is_a_floor_if_the_load_could_not_be_more(
    burnt: dict[str, float], shared: bool, is_floor: bool, bottleneck: str
) -> None:
    figures = Figures.of([Round(1.0, [1.0], 0, burnt)], "gateway", shared=shared)
    assert (figures.is_floor, figures.bottleneck) == (is_floor, bottleneck)
