"""A call that is cancelled while it waits for a connection must not take the driver's lock with it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pymongo.lock
import pytest
from pymongo._asyncio_lock import Condition, Lock

import services.notifications.store.mongo  # noqa: F401  # it mends the driver
from services.notifications.store.pymongo_patch import HAS_THE_FAULT, wait_here

Wait = Callable[[Awaitable[Any], float | None], Awaitable[Any]]


async def is_free_after_a_timed_out_wait_was_cancelled(monkeypatch: pytest.MonkeyPatch, wait: Wait) -> bool:
    """Wait as the pool does, time out while others hold the lock, be cancelled, and see whether it can be had."""
    monkeypatch.setattr(pymongo.lock, "wait_for", wait)
    lock: Any = Lock()
    condition: Any = Condition(lock)

    async def check_out() -> None:
        async with condition:
            await pymongo.lock._async_cond_wait(condition, 0.01)

    waiting = asyncio.create_task(check_out())
    await asyncio.sleep(0)  # it waits, and has given the lock away
    await lock.acquire()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await asyncio.shield(waiting)
    waiting.cancel()
    await asyncio.sleep(0)
    with suppress(RuntimeError):  # whoever left without the lock has given ours away
        lock.release()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    try:
        async with asyncio.timeout(0.2):
            await lock.acquire()
    except TimeoutError:
        return False
    return True


async def test_a_cancelled_wait_gives_the_lock_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """R6."""
    assert await is_free_after_a_timed_out_wait_was_cancelled(monkeypatch, wait_here)


@pytest.mark.skipif(not HAS_THE_FAULT, reason="Python 3.12 and later wait in the caller's own task")
async def test_as_the_driver_waits_by_itself_the_lock_is_gone_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protection off. The task that is left alone ends with the loop."""
    assert not await is_free_after_a_timed_out_wait_was_cancelled(monkeypatch, asyncio.wait_for)


def test_the_driver_is_mended_wherever_the_store_is_opened() -> None:
    is_mended = pymongo.lock.wait_for is wait_here  # type: ignore[attr-defined]  # its own import
    assert is_mended == HAS_THE_FAULT
