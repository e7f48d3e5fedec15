"""Preferences as a front end sees them: said and read over HTTP, and answered from the gateway's memory."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness.people import FAST_HASHING, browser, new_email, sign_up
from tests.harness.waiting import until
from tests.harness.whole import Stores, Whole, whole

PATH = "/v1/preferences"
NO_NEWS = {"type": "NOTIFICATION_TYPE_EMAIL", "enabled": False}


@pytest.fixture(scope="module")
def running(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("preferences")
    mongodb = f"{engine.get('secantusdb').url}/trivet_preferences_{new_id()}"
    stores = Stores(f"sqlite:///{folder}/trivet.db", mongodb, engine.get("valkey").url)
    with whole(stores, **FAST_HASHING) as processes:
        yield processes


@pytest.fixture
async def ann(running: Whole) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(running.url) as person:
        (await sign_up(person, new_email())).raise_for_status()
        yield person


async def said(person: httpx.AsyncClient) -> list[Any]:
    answer = await person.get(PATH)
    answer.raise_for_status()
    return list(answer.json()["preferences"])


async def test_what_is_said_is_read_at_once_and_again_after_each_change(ann: httpx.AsyncClient) -> None:
    """R16: though it is held in memory between."""
    assert await said(ann) == []
    for enabled in (False, True, False):
        answer = await ann.put(f"{PATH}/news", json=NO_NEWS | {"enabled": enabled})
        assert answer.status_code == 200, answer.text
        for _ in range(3):
            [one] = await said(ann)
            assert one == answer.json()
            assert (one["topic"], one["type"], one["enabled"]) == ("news", "NOTIFICATION_TYPE_EMAIL", enabled)


async def test_a_held_answer_needs_no_service(running: Whole, ann: httpx.AsyncClient) -> None:
    (await ann.put(f"{PATH}/news", json=NO_NEWS)).raise_for_status()

    async def is_held() -> bool:
        await said(ann)
        running["notifications"].signal(signal.SIGSTOP)
        try:
            return (await ann.get(PATH)).status_code == 200
        finally:
            running["notifications"].signal(signal.SIGCONT)

    await until(is_held)


async def test_nobody_sees_or_says_what_is_anothers(running: Whole, ann: httpx.AsyncClient) -> None:
    (await ann.put(f"{PATH}/news", json=NO_NEWS)).raise_for_status()
    [one] = await said(ann)
    async with browser(running.url) as eve:
        (await sign_up(eve, new_email())).raise_for_status()
        assert (await eve.get(PATH, params={"userId": one["userId"]})).status_code == 403
        theirs = NO_NEWS | {"userId": one["userId"], "enabled": True}
        assert (await eve.put(f"{PATH}/news", json=theirs)).status_code == 403
        assert await said(eve) == []
    assert await said(ann) == [one]


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("News!", NO_NEWS),
        ("%2E%2E", NO_NEWS),
        ("news", {}),
        ("news", {"enabled": False}),
        ("news", NO_NEWS | {"type": "PIGEON"}),
        ("news", NO_NEWS | {"enabled": "no"}),
        ("account.new-address", NO_NEWS),
    ],
)
async def test_what_cannot_be_said_is_a_400(ann: httpx.AsyncClient, topic: str, body: dict[str, Any]) -> None:
    answer = await ann.put(f"{PATH}/{topic}", json=body)
    assert answer.status_code == 400, answer.text
    assert await said(ann) == []
