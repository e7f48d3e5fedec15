"""How connections that are open are let go."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pydantic import SecretStr
from starlette.responses import Response

from gateway.listening import bound
from gateway.serve import Door, Listening
from gateway.settings import GatewaySettings
from tests.api.gateway.wire import connection, head, status
from tests.harness.waiting import until

SETTINGS = GatewaySettings(http_port=0, secret=SecretStr("a secret that signs nothing here"))


class Serving:
    """A server in this loop, and the port it is on."""

    def __init__(self, listener: socket.socket) -> None:
        self.door = Door(Response("done"))
        listener.listen()
        self.port: int = listener.getsockname()[1]
        self.server = Listening(self.door, listener, SETTINGS)
        self.task = asyncio.create_task(self.server.serve())

    async def is_refused(self) -> bool:
        try:
            async with connection(self.port):
                return False
        except OSError:
            return True


@asynccontextmanager
async def serving() -> AsyncIterator[Serving]:
    with bound(SETTINGS, shares_port=True) as listener:
        running = Serving(listener)
        try:
            yield running
        finally:
            running.server.stop()  # type: ignore[no-untyped-call]  # granian's own
            await asyncio.wait_for(running.task, 10)


async def test_who_is_connected_when_nothing_new_is_accepted_is_still_answered() -> None:
    """R10."""
    async with serving() as running, connection(running.port) as (reader, writer):
        async with connection(running.port) as (_, other):  # by then the first is accepted
            other.write(head("GET", "/"))
        running.door.let_go()
        await running.server.accept_no_more()
        await until(running.is_refused, 5)
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
        running.door.let_go()
        writer.write(head("GET", "/"))
        assert b"connection: close" in (await asyncio.wait_for(reader.read(), 10)).lower()
