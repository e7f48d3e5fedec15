"""How the process ends."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.api.gateway.conftest import Gateway, running
from tests.api.gateway.stand_ins import USER, StandIns
from tests.api.gateway.wire import connection, head, status
from tests.harness.processes import process
from tests.harness.waiting import taking, until
from trivet.notifications.v1.notification_service_pb2 import CountUnreadResponse


async def test_a_request_under_way_is_answered_before_the_process_ends(stand_ins: StandIns) -> None:
    """R10: SIGTERM costs no request, and the process ends with 0 within 5 s."""
    stand_ins.reset()
    asked, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Any) -> CountUnreadResponse:
        asked.set()
        await release.wait()
        return CountUnreadResponse(unread_count=7)

    stand_ins.answers["CountUnread"] = slow
    async with running(stand_ins) as gateway:
        pending = asyncio.create_task(gateway.http.get("/v1/notifications:countUnread", headers=USER))
        await asked.wait()
        gateway.process.signal(signal.SIGTERM)
        await until(lambda: _refuses(gateway.port), 10)
        release.set()
        assert (await pending).json() == {"unreadCount": 7, "capped": False}
        assert await asyncio.to_thread(gateway.process.popen.wait, 15) == 0


async def test_readiness_fails_before_connections_are_refused(stand_ins: StandIns) -> None:
    """R10: a load balancer learns of the end while everything is still answered."""
    stand_ins.reset()
    async with running(stand_ins, TRIVET_DRAIN_SECONDS="2") as gateway:
        assert (await gateway.http.get("/readyz")).status_code == 200
        gateway.process.signal(signal.SIGTERM)

        async def says_no() -> bool:
            answer = await gateway.http.get("/readyz")
            return (answer.status_code, answer.json()["status"]) == (503, "draining")

        await until(says_no, 1.5)
        assert (await gateway.http.get("/v1/notifications", headers=USER)).status_code == 200


@asynccontextmanager
async def half_a_request(gateway: Gateway) -> AsyncIterator[None]:
    """Keep a request open whose body never comes."""
    async with connection(gateway.port) as (_, writer):
        length = "content-length: 10"
        writer.write(head("POST", "/api/auth/sign-in/email", "content-type: application/json", length))
        await writer.drain()
        await gateway.http.get("/healthz")
        yield


async def test_a_request_that_never_ends_does_not_keep_the_process(stand_ins: StandIns) -> None:
    stand_ins.reset()
    async with running(stand_ins) as gateway, half_a_request(gateway):
        with taking(0.5, 15):  # the request has its time
            gateway.process.signal(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.process.popen.wait, 20) == 0


async def test_an_idle_connection_does_not_keep_the_process(stand_ins: StandIns) -> None:
    stand_ins.reset()
    minute = {"TRIVET_HEADER_SECONDS": "60"}  # how long it might stay otherwise
    async with running(stand_ins, **minute) as gateway, connection(gateway.port) as (reader, writer):
        writer.write(head("GET", "/healthz"))
        assert await status(reader) == 200
        with taking(0, 15):
            gateway.process.signal(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.process.popen.wait, 20) == 0


async def test_a_second_signal_ends_the_process_at_once(stand_ins: StandIns) -> None:
    stand_ins.reset()
    async with running(stand_ins) as gateway, half_a_request(gateway):
        gateway.process.signal(signal.SIGTERM)
        await until(lambda: _refuses(gateway.port), 3)
        with taking(0, 2.5):  # less than the request's time
            gateway.process.signal(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.process.popen.wait, 10) != 0


async def _refuses(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


async def test_a_port_that_is_taken_ends_the_start_with_one_clear_line(stand_ins: StandIns) -> None:
    """R37."""
    async with running(stand_ins) as gateway:
        with process("gateway", port=gateway.port, wait=False) as second:
            assert await asyncio.to_thread(second.popen.wait, 10) == 1
            lines = second.output().splitlines()
    address = f"http://127.0.0.1:{gateway.port}"
    assert lines == [f"trivet: the gateway cannot listen on {address}: Address already in use"]


async def test_wrong_settings_are_told_together_by_name(stand_ins: StandIns) -> None:
    """R37: a short secret and a wildcard for everybody, before anything starts."""
    wrong = {"TRIVET_SECRET": "short", "TRIVET_HTTP_PORT": "none", "TRIVET_DOCS": "maybe"}
    with process("gateway", port=None, wait=False, **wrong) as started:
        assert await asyncio.to_thread(started.popen.wait, 10) == 2
        assert all(name in started.output() for name in ("TRIVET_HTTP_PORT", "TRIVET_DOCS"))
        assert "short" not in started.output()
