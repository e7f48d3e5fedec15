"""What is appended to the stream is heard at once, by whoever listens, on each engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection

from services.cache.invalidation import stream_tail
from services.cache.invalidation.stream_tail import following_stream_tail
from services.cache.redis import wire
from tests.conformance.cache.conftest import Cache
from tests.harness.waiting import until


@asynccontextmanager
async def listening(cache: Cache) -> AsyncIterator[list[int]]:
    """Listen inside, where the first event has been heard already."""
    heard: list[int] = []

    async def has_heard() -> bool:
        await cache.entries.invalidate(["first"])
        return bool(heard)

    async with following_stream_tail(cache.store, heard.append):
        await until(has_heard, 10)
        yield heard


async def test_every_event_is_heard(cache: Cache) -> None:
    async with listening(cache) as heard:
        offsets = [(await cache.entries.invalidate([f"tag:{number}"])).position.offset for number in range(50)]
        await until(lambda: heard[-50:] == offsets, 10)


async def test_a_connection_that_was_lost_is_made_again(cache: Cache) -> None:
    async with listening(cache) as heard:
        await cache.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        offset = 0

        async def is_heard() -> bool:
            nonlocal offset
            offset = offset if offset in heard else (await cache.entries.invalidate(["again"])).position.offset
            return offset in heard

        await until(is_heard, 10)


async def test_an_answer_of_no_shape_does_not_end_the_listening(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    odd = [b"what?", 5]

    async def read_response(connection: AbstractConnection) -> Any:
        return odd.pop() if odd else await wire.read_response(connection)

    monkeypatch.setattr(stream_tail, "read_response", read_response)
    monkeypatch.setattr(stream_tail, "LONG_PAUSE_SECONDS", 0.1)
    async with listening(cache):  # that is, until the first event was heard
        assert odd == []
    said = [record for record in caplog.records if "cannot listen" in record.getMessage()]
    assert 1 <= len(said) <= 2  # one of each kind
