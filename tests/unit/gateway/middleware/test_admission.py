"""How many requests may be in flight at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.middleware.admission import Admission
from gateway.middleware.body_limit import BodyLimit
from gateway.middleware.error_handler import ErrorHandler
from gateway.middleware.request_id import RequestId
from tests.harness.waiting import until


class Slow:
    """An application that reads the body, and then works until it is released."""

    def __init__(self) -> None:
        self.at_work = 0
        self.release = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await Request(scope, receive).body()
        self.at_work += 1
        if scope["path"] not in ("/healthz", "/readyz"):
            await self.release.wait()
        self.at_work -= 1
        await Response("done")(scope, receive, send)


def admitting(slow: ASGIApp, **bounds: int) -> httpx.AsyncClient:
    app = RequestId(ErrorHandler(Admission(BodyLimit(slow, seconds=60), **bounds)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://trivet")


def gauge(phase: str) -> float | None:
    return REGISTRY.get_sample_value("trivet_http_admitted", {"phase": phase})


def shed() -> float:
    return REGISTRY.get_sample_value("trivet_http_shed_total") or 0.0


async def body_until(event: asyncio.Event) -> AsyncIterator[bytes]:
    yield b"{"
    await event.wait()
    yield b"}"


@pytest.mark.parametrize(
    ("path", "shape"),
    [("/v1/users", b'"reason":"TOO_MANY_IN_FLIGHT"'), ("/api/auth/ok", b'"code":"TOO_MANY_IN_FLIGHT"')],
)
async def test_one_more_than_the_bound_is_refused_at_once_in_the_routes_shape(path: str, shape: bytes) -> None:
    """R9: 503 with Retry-After while the others are worked on; afterwards all is well."""
    slow, before = Slow(), shed()
    async with admitting(slow, working=3) as http:
        pending = [asyncio.create_task(http.get("/v1/users")) for _ in range(3)]
        await until(lambda: slow.at_work == 3)
        assert gauge("working") == 3
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert shape in answer.content
        assert shed() == before + 1
        slow.release.set()
        assert {done.status_code for done in await asyncio.gather(*pending)} == {200}
        assert (await http.get(path)).status_code == 200
    assert gauge("working") == 0


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_the_probes_are_answered_however_much_is_in_flight(path: str) -> None:
    """R36: a gateway that has much to do is not a dead one."""
    slow = Slow()
    async with admitting(slow, working=1) as http:
        pending = asyncio.create_task(http.get("/v1/users"))
        await until(lambda: slow.at_work == 1)
        assert (await http.get(path)).status_code == 200
        slow.release.set()
        await pending


async def test_a_body_that_does_not_come_takes_no_place_at_work() -> None:
    """H1: as many slow senders as may work leave room for everybody else."""
    slow, sent = Slow(), asyncio.Event()
    slow.release.set()
    async with admitting(slow, working=2, receiving=5) as http:
        senders = [asyncio.create_task(http.post("/v1/users", content=body_until(sent))) for _ in range(5)]
        await until(lambda: gauge("receiving") == 5)
        assert gauge("working") == 0
        assert (await http.get("/v1/users")).status_code == 200
        assert (await http.post("/v1/users", content=b"{}")).status_code == 503, "their number is bounded too"
        sent.set()
        assert {done.status_code for done in await asyncio.gather(*senders)} == {200}
    assert (gauge("working"), gauge("receiving")) == (0, 0)


async def test_bodies_that_come_together_do_not_break_the_bound() -> None:
    """R9: who has been receiving is refused as well, if all places at work are taken by then."""
    slow, sent = Slow(), asyncio.Event()
    async with admitting(slow, working=2, receiving=5) as http:
        senders = [asyncio.create_task(http.post("/v1/users", content=body_until(sent))) for _ in range(5)]
        await until(lambda: gauge("receiving") == 5)
        sent.set()
        await until(lambda: slow.at_work == 2 and sum(sender.done() for sender in senders) == 3)
        slow.release.set()
        statuses = sorted([(await sender).status_code for sender in senders])
    assert statuses == [200, 200, 503, 503, 503]
    assert (gauge("working"), gauge("receiving")) == (0, 0)


async def test_without_admission_all_are_worked_on_at_once() -> None:
    """R9 with the protection off."""
    slow = Slow()
    app: Any = RequestId(ErrorHandler(slow))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://trivet") as http:
        pending = [asyncio.create_task(http.get("/v1/users")) for _ in range(100)]
        await until(lambda: slow.at_work == 100)
        slow.release.set()
        await asyncio.gather(*pending)
