"""Which of the requests that the near cache answered enter the request log."""

from typing import cast

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.http.access_log import AccessLogWriter
from gateway.http.request_context import request_context_of
from gateway.middleware.access_log import AccessLog
from gateway.middleware.request_id import RequestId
from trivet.notifications.v1.log_service_pb2 import LogEntry


class Kept:
    """A request log that keeps what is added."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []

    def add(self, entry: LogEntry) -> None:
        self.entries.append(entry)

    @property
    def weights(self) -> list[object]:
        """How many requests each entry says it stands for; None for itself alone."""
        return [dict(entry.attributes.items()).get("sampledEvery") for entry in self.entries]


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer /hit/STATUS from the near cache, and /miss/STATUS not."""
    _, kind, status = scope["path"].split("/")
    request_context_of(scope).is_hit = kind == "hit"
    if status == "0":
        raise RuntimeError("broken before an answer began")
    await Response(status_code=int(status))(scope, receive, send)


async def logged(*paths: str, hits_every: int) -> Kept:
    kept = Kept()
    app = RequestId(AccessLog(answering, cast(AccessLogWriter, kept), hits_every=hits_every))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://trivet") as http:
        for path in paths:
            await http.get(path)
    return kept


async def test_one_hit_in_so_many_is_told_and_says_how_many_it_stands_for() -> None:
    kept = await logged(*["/hit/200"] * 250, hits_every=100)
    assert kept.weights == [100, 100, 100]


@pytest.mark.parametrize("status", ["0", "401", "404", "503"])
async def test_a_hit_that_failed_is_always_told(status: str) -> None:
    kept = await logged("/hit/200", *[f"/hit/{status}"] * 5, hits_every=100)
    assert kept.weights == [100, *[None] * 5]


async def test_what_a_service_answered_is_always_told() -> None:
    assert (await logged(*["/miss/200"] * 5, hits_every=100)).weights == [None] * 5


async def test_at_one_every_hit_is_told() -> None:
    """The sampling off: the log has as many entries as there were requests."""
    assert (await logged(*["/hit/200"] * 250, hits_every=1)).weights == [None] * 250
