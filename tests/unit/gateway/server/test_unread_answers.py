"""Clients that ask and never read: how long a connection is kept for one, and how many answers are made."""

import socket

import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

import gateway.server.sockets
from gateway.server.granian_version import NOTHING_FAST, FastHandlers
from tests.api.gateway.serving import SETTINGS, serving
from tests.api.gateway.wire import connection, head, status
from tests.harness.peers.unread import never_reading
from tests.harness.waiting import until

IMPATIENT = SETTINGS.model_copy(update={"header_seconds": 1})
STALLED_SECONDS = 2.0
SIZE = 10_000
PIPELINED = head("GET", "/") * 2_000
MOST_ANSWERS = 100
"""As many of this size as the kernel takes, three times over."""


class Answering:
    """Answers every request with the same bytes, on the event loop or off_loop of it, and counts."""

    def __init__(self, way: str) -> None:
        self.count = 0
        self.fast = FastHandlers(self._off_loop) if way == "off_loop" else NOTHING_FAST

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.count += 1
        await Response(b"x" * SIZE)(scope, receive, send)

    def _off_loop(self, _: Scope) -> tuple[Message, Message]:
        self.count += 1
        headers = [(b"content-length", b"%d" % SIZE)]
        return (
            {"type": "http.response.start", "status": 200, "headers": headers},
            {"type": "http.response.body", "body": b"x" * SIZE},
        )


@pytest.fixture(params=["off_loop", "loop"])
def answering(request: pytest.FixtureRequest) -> Answering:
    return Answering(request.param)


async def test_a_client_that_never_reads_is_let_go_and_few_answers_are_made_for_it(answering: Answering) -> None:
    """H1: the others are served meanwhile, and on a connection that reads there is no such end."""
    async with (
        serving(answering, answering.fast, IMPATIENT) as running,
        never_reading(running.port) as client,
        connection(running.port) as (reader, writer),
    ):
        client.send(PIPELINED)
        writer.write(head("GET", "/"))
        assert await status(reader) == 200
        taken = await client.ended(within=30)
        assert taken > STALLED_SECONDS / 2
        assert 1 < answering.count < MOST_ANSWERS


async def test_without_the_limit_answers_are_made_until_megabytes_wait(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protection off."""

    def unlimited(_: socket.socket, *, seconds: float) -> None:
        pass

    monkeypatch.setattr(gateway.server.sockets, "limit_unread_answers", unlimited)
    async with serving(answering, answering.fast, IMPATIENT) as running, never_reading(running.port) as client:
        client.send(PIPELINED)
        await until(lambda: answering.count > MOST_ANSWERS, 30)
        assert not client.is_ended()
