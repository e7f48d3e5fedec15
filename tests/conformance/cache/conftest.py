"""The cache's domain on each engine that speaks Redis's protocol, under a prefix of the test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from runtime.ids import new_id
from services.cache.counters.counters import Counters
from services.cache.entries.entries import Entries, Entry, Lookup
from services.cache.invalidation.positions import StreamPosition
from services.cache.rate_limits.rate_limits import WindowLimits
from services.cache.redis.store import Store
from tests.conftest import Engines
from tests.harness.stores.engines import Engine
from tests.harness.waiting import until


@dataclass
class Cache:
    """Entries, counters and windows over one store, and a plain connection to look and tamper behind their back."""

    store: Store
    entries: Entries
    counters: Counters
    windows: WindowLimits
    redis: Any  # redis-py types its commands for both of its clients at once

    async def get(self, key: str) -> Lookup:
        return (await self.entries.get("things", [key]))[0]

    async def miss(self, key: str) -> StreamPosition:
        """Read a key that is not there; return the lease."""
        lookup = await self.get(key)
        assert lookup.value is None
        assert lookup.position is not None
        return lookup.position

    async def fill(
        self, key: str, value: bytes, *tags: str, lease: StreamPosition | None = None, ttl_ms: int = 60_000
    ) -> bool:
        return (await self.entries.set("things", [Entry(key, value, ttl_ms, tags, lease)]))[0]

    def tag_key(self, tag: str) -> str:
        return f"{self.store.prefix}tag:{tag}"

    def entry_key(self, key: str) -> str:
        return f"{self.store.prefix}entry:things:{key}"

    def claim_key(self, key: str) -> str:
        return f"{self.entry_key(key)} claim"


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is promised here holds on a busy machine too; how soon Redis is given up is tested on the process."""
    for module in ("redis.store", "rate_limits.rate_limits"):
        monkeypatch.setattr(f"services.cache.{module}.READ_SECONDS", 5.0)


@pytest.fixture(params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, engine: Engines) -> Engine:
    return engine.get(request.param)


@asynccontextmanager
async def opened(server: Engine) -> AsyncIterator[Cache]:
    """Open the domain over a server, and close it afterwards."""
    async with Store(server.url, f"t:{new_id()}:") as store, Redis.from_url(server.url) as redis:
        await until(lambda: store.is_up, 5)
        yield Cache(store, Entries(store), Counters(store), WindowLimits(store), redis)


@pytest.fixture
async def cache(server: Engine) -> AsyncIterator[Cache]:
    async with opened(server) as cache:
        yield cache
