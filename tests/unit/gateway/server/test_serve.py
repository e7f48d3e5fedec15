"""How requests are answered ahead of the event loop, and how connections that are open are let go."""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress

import pytest
from starlette.responses import Response
from starlette.types import Message, Scope

from gateway.server.granian_version import FastHandlers
from tests.api.gateway.serving import Serving
from tests.api.gateway.serving import serving as serving_by
from tests.api.gateway.wire import connection, head, status
from tests.harness.waiting import until

AHEAD = (
    {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]},
    {"type": "http.response.body", "body": b"ahead"},
)


def serving() -> AbstractAsyncContextManager[Serving]:
    return serving_by(Response("done"))


async def test_who_is_connected_when_nothing_new_is_accepted_is_still_answered() -> None:
    """R10."""
    async with serving() as running, connection(running.port) as (reader, writer):
        async with connection(running.port) as (_, other):  # by then the first is accepted
            other.write(head("GET", "/"))
        running.closable.close_connections()
        await running.server.accept_no_more()
        await until(running.is_refused)
        writer.write(head("GET", "/"))
        lines = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert lines.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in lines.lower()


async def test_without_that_the_same_request_is_lost() -> None:
    """The protection off: the server is stopped as it is."""
    async with serving() as running, connection(running.port) as (reader, writer):
        writer.write(head("GET", "/"))
        assert await status(reader) == 200
        await reader.readuntil(b"done")
        running.server.stop()  # type: ignore[no-untyped-call]  # granian's own
        await asyncio.wait_for(running.task, 10)
        answered = 0
        with suppress(OSError):
            writer.write(head("GET", "/"))
            answered = await status(reader)
    assert answered == 0


async def test_a_connection_is_kept_until_the_door_lets_go() -> None:
    async with serving() as running, connection(running.port) as (reader, writer):
        for _ in range(2):
            writer.write(head("GET", "/"))
            lines = await asyncio.wait_for(reader.readuntil(b"done"), 10)
            assert b"connection: close" not in lines.lower()
        running.closable.close_connections()
        writer.write(head("GET", "/"))
        assert b"connection: close" in (await asyncio.wait_for(reader.read(), 10)).lower()


def some_ahead(scope: Scope) -> tuple[Message, Message] | None:
    if scope["path"] == "/broken":
        raise LookupError("nothing there")
    return AHEAD if scope["path"] == "/ahead" else None


SOME_AHEAD = FastHandlers(some_ahead)


@pytest.mark.parametrize(("path", "body"), [("/ahead", b"ahead"), ("/other", b"done")])
async def test_what_is_answered_ahead_the_application_does_not_see(path: str, body: bytes) -> None:
    async with (
        serving_by(Response("done"), SOME_AHEAD) as running,
        connection(running.port) as (reader, writer),
    ):
        for _ in range(2):
            writer.write(head("GET", path))
            assert (await asyncio.wait_for(reader.readuntil(body), 10)).startswith(b"HTTP/1.1 200 ")


async def test_what_fails_there_is_told_and_goes_to_the_application(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        serving_by(Response("done"), SOME_AHEAD) as running,
        connection(running.port) as (reader, writer),
    ):
        writer.write(head("GET", "/broken"))
        assert await status(reader) == 200
    assert "nothing there" in caplog.text


async def test_nothing_is_answered_ahead_once_connections_are_let_go() -> None:
    """R10: or a client would never be told to open its next connection elsewhere."""
    async with (
        serving_by(Response("done"), SOME_AHEAD) as running,
        connection(running.port) as (reader, writer),
    ):
        running.closable.close_connections()
        writer.write(head("GET", "/ahead"))
        answer = await asyncio.wait_for(reader.read(), 10)
    assert b"connection: close" in answer.lower()
    assert answer.endswith(b"done")
