"""The port of /metrics: no connection is kept for long there, and few are open at a time."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from runtime.telemetry.metrics_port import MetricsServer
from tests.api.gateway.wire import connection, head, status
from tests.harness.peers.unread import never_reading
from tests.harness.waiting import until

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

LARGE = 8 * 1_024 * 1_024
SECONDS = 1.0


def much(_: "WSGIEnvironment", start: "StartResponse") -> list[bytes]:
    start("200 OK", [])
    return [b"x" * LARGE]


@contextmanager
def serving(*, most: int = 2, seconds: float = SECONDS, large: bool = False) -> Iterator[int]:
    """Serve the metrics, or many megabytes instead, and yield the port."""
    with MetricsServer(("127.0.0.1", 0), socket.AF_INET, most=most, seconds=seconds) as server:
        if large:
            server.set_app(much)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def refused() -> float:
    return REGISTRY.get_sample_value("trivet_metrics_connections_refused_total") or 0.0


async def scraped(port: int) -> int:
    """Return the status of one scrape, 0 if the connection is closed without an answer."""
    with suppress(OSError):
        async with connection(port) as (reader, writer):
            writer.write(head("GET", "/metrics"))
            return await status(reader)
    return 0


async def test_metrics_are_answered_in_the_format_of_prometheus() -> None:
    with serving() as port:
        async with connection(port) as (reader, writer):
            writer.write(head("GET", "/metrics"))
            answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    assert answer.startswith("HTTP/1.0 200 OK")
    assert "\n# TYPE process_start_time_seconds gauge\n" in answer


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nx-slow: "])
async def test_a_client_that_does_not_finish_its_request_is_let_go(sent: bytes) -> None:
    """H1: also one that sends a byte now and then."""
    with serving() as port:
        async with connection(port) as (reader, writer):
            writer.write(sent)
            ended = asyncio.create_task(reader.read())

            def dripped() -> bool:
                if sent and not ended.done():
                    writer.write(b"x")
                return ended.done()

            taken = await until(dripped, 20)
            assert await ended == b""
    assert taken > SECONDS / 2


async def test_a_client_that_never_reads_is_let_go_and_its_place_is_another_s() -> None:
    with serving(most=1, large=True) as port:
        async with never_reading(port) as client:
            client.send(head("GET", "/metrics"))
            assert await client.ended(within=20) > SECONDS / 2

            async def is_served() -> bool:
                return await scraped(port) == 200

            await until(is_served, 20)


async def test_connections_beyond_the_most_are_closed_at_once_and_counted() -> None:
    with serving(most=1, seconds=60) as port:
        async with connection(port) as (silent, writer):
            before = refused()

            async def is_refused() -> bool:
                return await scraped(port) == 0

            await until(is_refused, 20)
            assert refused() > before
            writer.write(head("GET", "/metrics"))
            assert await status(silent) == 200
