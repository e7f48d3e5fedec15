"""The algebra of tags and leases, in any order of events, against a plain dictionary that is always right."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis.asyncio import Redis

from runtime.ids import new_id
from services.cache.counters.counters import Counters
from services.cache.entries.entries import Entries
from services.cache.invalidation.positions import StreamPosition
from services.cache.rate_limits.rate_limits import WindowLimits
from services.cache.redis.store import Store
from tests.conformance.cache.conftest import Cache
from tests.harness import models
from tests.harness.stores.engines import Engine
from tests.harness.waiting import until

# Which tags each key's value is made of.
TAGS = {"a": ("x",), "b": ("x", "y"), "c": ("y", "z"), "d": ()}
keys = st.sampled_from(sorted(TAGS))
tags = st.sampled_from("xyz")


@dataclass
class Owner:
    """The truth: a version per tag. A key's value is the versions of its tags."""

    versions: dict[str, int] = field(default_factory=lambda: dict.fromkeys("xyz", 0))

    def value(self, key: str) -> bytes:
        return repr([self.versions[tag] for tag in TAGS[key]]).encode()


@dataclass
class Reader:
    """Somebody who has missed a key, read its value, and not filled it yet."""

    key: str
    value: bytes
    lease: StreamPosition | None


class Machine(RuleBasedStateMachine):
    """Readers miss, read and fill at any time; tags move, are evicted, and all is flushed."""

    server: Engine
    uses_leases = True

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.owner = Owner()
        self.readers: list[Reader] = []

    @initialize()
    def open(self) -> None:
        async def opened() -> Cache:
            store = await Store(self.server.url, f"t:{new_id()}:").__aenter__()
            await until(lambda: store.is_up, 5)
            return Cache(store, Entries(store), Counters(store), WindowLimits(store), Redis.from_url(self.server.url))

        self.cache = self.runner.run(opened())

    def teardown(self) -> None:
        async def closed() -> None:
            await self.cache.redis.aclose()
            await self.cache.store.__aexit__()

        if hasattr(self, "cache"):
            self.runner.run(closed())
        self.runner.close()

    @rule(key=keys)
    def read(self, key: str) -> None:
        found = self.runner.run(self.cache.get(key))
        if found.value is None:
            self.readers.append(Reader(key, self.owner.value(key), found.position if self.uses_leases else None))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def fill(self, data: Any) -> None:
        reader = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        self.runner.run(self.cache.fill(reader.key, reader.value, *TAGS[reader.key], lease=reader.lease))

    @rule(key=keys)
    def refresh(self, key: str) -> None:
        """Nobody between miss and fill: the first fill may meet a missing tag, the second is stored."""

        async def missed_and_filled() -> bool:
            for _ in range(2):
                lookup = await self.cache.get(key)
                if lookup.value is not None:
                    return True
                await self.cache.fill(key, self.owner.value(key), *TAGS[key], lease=lookup.position)
            return (await self.cache.get(key)).value is not None

        assert self.runner.run(missed_and_filled())

    @rule(tag=tags)
    def change(self, tag: str) -> None:
        self.owner.versions[tag] += 1
        self.runner.run(self.cache.entries.invalidate([tag]))

    @rule(tag=tags)
    def evict(self, tag: str) -> None:
        self.runner.run(self.cache.redis.delete(self.cache.tag_key(tag)))

    @rule()
    def lose_the_stream(self) -> None:
        self.runner.run(self.cache.redis.delete(self.cache.store.stream))

    @invariant()
    def what_is_found_is_the_truth(self) -> None:
        if not hasattr(self, "cache"):
            return
        found = self.runner.run(self.cache.entries.get("things", sorted(TAGS)))
        for key, lookup in zip(sorted(TAGS), found, strict=True):
            assert lookup.value in (None, self.owner.value(key)), f"{key} is stale"


def explore(server: Engine, *, uses_leases: bool) -> None:
    models.explore(Machine, examples=25, steps=25, server=server, uses_leases=uses_leases)


def test_nothing_stale_is_ever_found(server: Engine) -> None:
    """R16, R34."""
    explore(server, uses_leases=True)


def test_without_leases_the_model_finds_the_stale_value(server: Engine) -> None:
    """R16, the protection off: the same events, filled unconditionally."""
    with pytest.raises(AssertionError, match="is stale"):
        explore(server, uses_leases=False)
