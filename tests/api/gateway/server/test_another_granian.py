"""A granian that the fast path is not made for, as a security release would be: everything is served, more slowly."""

import tomllib

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Scope

from gateway.server import granian_version
from gateway.server.granian_version import FastHandlers
from tests.api.gateway.serving import serving
from tests.harness.processes import ROOT

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}


def in_the_thread(_scope: Scope) -> tuple[Message, Message]:
    return START, {"type": "http.response.body", "body": b"ahead"}


async def on_the_loop(scope: Scope, receive: object, send: object) -> None:
    await PlainTextResponse("loop")(scope, receive, send)  # type: ignore[arg-type]  # as starlette has them


async def answer_of(port: int) -> str:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        return (await client.get("/")).raise_for_status().text


def test_the_fast_path_is_made_for_the_granian_that_is_pinned() -> None:
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["gateway"]
    assert f"granian=={granian_version.GRANIAN}" in pinned


async def test_with_the_pinned_granian_its_thread_answers(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(on_the_loop, FastHandlers(in_the_thread)) as running:
        assert await answer_of(running.port) == "ahead"
    assert "granian" not in caplog.text


async def test_with_another_granian_the_loop_answers_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(granian_version, "version", lambda _: "2.8.8")
    async with serving(on_the_loop, FastHandlers(in_the_thread)) as running:
        assert await answer_of(running.port) == "loop"
    assert "granian 2.8.8 is installed, the fast path needs 2.8.7" in caplog.text


async def test_one_thread_reads_requests() -> None:
    """What answers ahead of the loop counts without locks."""
    async with serving(on_the_loop, FastHandlers(in_the_thread)) as running:
        assert running.server.runtime_threads == 1
