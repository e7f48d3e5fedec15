"""Checks of sessions that the cache service has: no task of the application answers them. What else comes, does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from gateway.app import fast_handlers
from gateway.sessions import batched_fast_path
from tests.api.gateway.serving import serving
from tests.api.gateway.sessions.session_scene import PATH, TOKEN, Scene, holding, session
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import GetResponse
from trivet.client.near import lookup_batcher, near_cache

LIMITED: dict[str, Any] = {"rate_limit": "on"}


class Application:
    """Answers 418, and counts."""

    count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.count += 1
        await PlainTextResponse("the application", 418)(scope, receive, send)


@pytest.fixture(params=["loop"])
def way(request: pytest.FixtureRequest) -> str:
    """Of the scene's own client, which only warms it."""
    return str(request.param)


@pytest.fixture
async def http(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Ask granian before an application that knows no session. A lookup has the time of a busy machine."""
    monkeypatch.setattr(lookup_batcher, "LOOKUP_SECONDS", 10.0)
    scene.near.invalidate(near_cache.StreamPosition("e", 1), ["session:s"])
    async with (
        serving(Application(), fast_handlers(scene.deps)) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}", headers=scene.cookie) as http,
    ):
        yield http


@pytest.mark.parametrize("scene", [{}, LIMITED], indirect=True, ids=["unlimited", "limited"])
async def test_a_session_that_the_cache_service_has_is_answered_without_the_application(
    scene: Scene, http: httpx.AsyncClient
) -> None:
    answer = await http.get(PATH)
    assert (answer.status_code, answer.json()["session"]["token"], scene.calls) == (200, TOKEN, ["Get"])
    assert (await http.get(PATH)).status_code == 200
    assert scene.calls == ["Get"]


@pytest.mark.parametrize("way", ["ahead"], indirect=True)
@pytest.mark.parametrize("answer", [None, GetResponse()], ids=["found", "unknown"])
async def test_a_read_that_memory_cannot_answer_is_counted_as_one_miss(scene: Scene, answer: Any) -> None:
    """Also if the application goes on with the lookup."""
    scene.near.invalidate(near_cache.StreamPosition("e", 1), ["session:s"])
    if answer is not None:
        scene.services.answers["Get"] = answer
    before = scene.near.misses
    assert (await scene.check(**scene.cookie)).status_code == 200
    assert scene.near.misses == before + 1


@pytest.mark.parametrize("scene", [{}, LIMITED], indirect=True, ids=["unlimited", "limited"])
async def test_many_at_once_are_all_answered_in_few_calls(scene: Scene, http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(http.get(PATH) for _ in range(50)))
    assert [answer.status_code for answer in answers] == [200] * 50
    assert 1 <= len(scene.calls) < 25


@pytest.mark.parametrize("times", [{"expire_time": 1_000_000}, {"slide_time": 1_000_000}], ids=str)
async def test_one_that_has_run_out_or_is_due_to_slide_is_for_the_application(
    scene: Scene, http: httpx.AsyncClient, times: dict[str, int]
) -> None:
    scene.services.answers["Get"] = holding(session(**times))
    assert (await http.get(PATH)).status_code == 418


@pytest.mark.parametrize("answer", [GetResponse(), RuntimeError("a bug")], ids=["unknown", "failed"])
async def test_what_the_cache_service_cannot_say_is_for_the_application(
    scene: Scene, http: httpx.AsyncClient, answer: Any
) -> None:
    scene.services.answers["Get"] = answer
    assert (await http.get(PATH)).status_code == 418


async def test_an_entry_that_breaks_the_fast_path_is_for_the_application(
    scene: Scene, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(batched_fast_path.BatchedFastPath, "_answer", broken)
    assert (await http.get(PATH)).status_code == 418
    assert "unexpected failure of a request that waited for a lookup" in caplog.text


@pytest.mark.parametrize("scene", [LIMITED], indirect=True)
async def test_a_token_that_opens_nothing_is_counted_once_by_who_answers(scene: Scene, http: httpx.AsyncClient) -> None:
    """The lookup takes a place among the address's guesses, and gives it back."""
    scene.services.answers["Get"] = GetResponse()
    for _ in range(120):
        assert (await http.get(PATH)).status_code == 418
    guesses = scene.deps.token_guesses
    assert guesses is not None
    assert not guesses._addresses


async def test_a_client_that_hangs_up_meanwhile_costs_nothing(scene: Scene, http: httpx.AsyncClient) -> None:
    goes_on = asyncio.Event()
    found = holding(session())

    async def late(request: Any) -> Any:
        await goes_on.wait()
        return found(request)

    scene.services.answers["Get"] = late
    port = http.base_url.port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {PATH} HTTP/1.1\r\nhost: h\r\ncookie: {scene.cookie['cookie']}\r\n\r\n".encode())
    await until(lambda: scene.calls == ["Get"])
    writer.close()
    await writer.wait_closed()
    other = asyncio.create_task(http.get(PATH))
    goes_on.set()
    assert (await other).status_code == 200
