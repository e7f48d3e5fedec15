"""What was begun is carried through before the store is closed, on each engine."""

import asyncio
from typing import Any

import pytest

from tests.conformance.cache.conftest import Cache


async def test_an_invalidation_under_way_at_the_end_is_carried_through(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller has left, and Redis is written to only after the drain has begun."""
    move, may_move = cache.store.invalidate, asyncio.Event()

    async def held(*args: Any) -> Any:
        await may_move.wait()
        return await move(*args)

    before = await cache.redis.xlen(cache.store.stream)
    monkeypatch.setattr(cache.store, "invalidate", held)
    call = asyncio.create_task(cache.entries.invalidate(["user:1"]))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    draining = asyncio.create_task(cache.entries.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    may_move.set()
    await draining
    assert await cache.redis.xlen(cache.store.stream) == before + 1


async def test_reads_under_way_at_the_end_leave_no_task_behind(cache: Cache) -> None:
    call = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    call.cancel()
    before = asyncio.all_tasks()
    await cache.entries.drain()
    left = {task for task in before if not task.done()} - {asyncio.current_task()}
    assert not [task for task in left if "_read_while_queued" in repr(task)]
