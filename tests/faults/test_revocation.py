"""A session that was ended while the cache process was away: nobody believes it again, least of all the cache."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from runtime.ids import token_hash
from tests.conftest import Engines
from tests.harness.people import FAST_HASHING, browser, new_email, sign_in, signed_up
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine
from tests.harness.waiting import until
from tests.harness.whole import Stores, Whole, whole
from trivet.client.near.near_cache import SERVE_SECONDS

NO_MONGODB = "mongodb://127.0.0.1:1"
LONG = "3600"
"""For the relay, which would make up for a cache that believes what it should not."""
EMAIL = new_email()


@pytest.fixture(scope="module")
def redis_server(engine: Engines) -> Iterator[Engine]:
    if engine.get("redis").process is None:
        pytest.skip("TRIVET_TEST_REDIS_URL is a server that is not ours to fill")
    with engines.redis() as server:
        yield server


@pytest.fixture(scope="module")
def running(redis_server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("revocation")
    stores = Stores(f"sqlite:///{folder}/trivet.db", NO_MONGODB, redis_server.url)
    settings = {**FAST_HASHING, "TRIVET_RELAY_SECONDS": LONG}
    with whole(stores, "cache", "identity", "gateway", **settings) as processes:
        yield processes


@dataclass
class Scene:
    """Somebody's browser, and a thief who keeps the cookies of its first session whatever the gateway says."""

    owner: httpx.AsyncClient
    thief: httpx.AsyncClient
    stolen: str
    redis: Any  # redis-py types its commands for both of its clients at once

    async def is_believed(self) -> bool:
        """Whether the thief is taken for the owner."""
        answer = await self.thief.get("/api/auth/get-session", headers={"cookie": self.stolen})
        answer.raise_for_status()
        return answer.json() is not None

    async def is_cached(self) -> bool:
        """Whether the session that the owner has now is in Redis."""
        session = (await self.owner.get("/api/auth/get-session")).json()["session"]
        key = token_hash(session["token"]).encode()
        return any([key in name async for name in self.redis.scan_iter()])


@pytest.fixture
async def scene(running: Whole, redis_server: Engine) -> AsyncIterator[Scene]:
    """A session that is in the cache, and stolen."""
    async with (
        signed_up(running.url, EMAIL) as owner,
        browser(running.url) as thief,
        Redis.from_url(redis_server.url) as redis,
    ):
        stolen = "; ".join(f"{name}={value}" for name, value in owner.cookies.items())
        scene = Scene(owner, thief, stolen, redis)
        await until(scene.is_cached, 10)
        yield scene


async def test_a_session_that_ended_while_the_cache_was_away_is_not_believed_when_it_is_back(
    running: Whole, scene: Scene
) -> None:
    """R14: acknowledged is ended, although no relay has told the cache: it begins with a new epoch.

    What the gateway's memory holds it may believe for half a second more: nobody could tell it.
    """
    assert await scene.is_believed()
    running["cache"].kill()
    (await scene.owner.post("/api/auth/sign-out", json={})).raise_for_status()

    async def is_over() -> bool:
        return not await scene.is_believed()

    await until(is_over, SERVE_SECONDS + 1)
    (await sign_in(scene.owner, EMAIL)).raise_for_status()
    running["cache"].start()

    async def is_back() -> bool:
        """Whether the gateway reads through the cache again, and nobody was believed on the way."""
        assert not await scene.is_believed()
        return await scene.is_cached()

    await until(is_back, 20)
    assert not await scene.is_believed()
