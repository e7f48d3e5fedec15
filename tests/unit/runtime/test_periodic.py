"""Work that comes back: it goes on after failures, and its pauses stay below their bound."""

import asyncio
import logging

import pytest

from runtime.background.periodic import periodically
from runtime.errors import Unavailable
from tests.harness.waiting import until


async def test_pauses_after_failures_stay_below_their_bound_and_one_outage_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Doubling from 10 ms, twelve failures would take 40 s."""
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        raise Unavailable("CACHE_UNAVAILABLE", "the cache does not answer")

    with caplog.at_level(logging.WARNING):
        async with periodically("relay", 0.01, work, longest=0.02):
            await until(lambda: runs >= 12, 3)
    assert len([record for record in caplog.records if "the cache does not answer" in record.message]) == 1


async def test_without_a_bound_of_its_own_work_that_fails_is_left_alone_for_longer_and_longer() -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        raise Unavailable("STORE_UNAVAILABLE", "away")

    async with periodically("sweeper", 0.01, work):
        with pytest.raises(TimeoutError):
            await until(lambda: runs >= 12, 1)


async def test_work_survives_every_exception_and_each_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Also a cancellation that is not its own: of a call, or of a task that it waits for."""
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs <= 3:
            raise ValueError("malformed")
        if runs <= 6:
            other = asyncio.create_task(asyncio.sleep(60))
            other.cancel()
            await other

    async with periodically("probe", 0.001, work, longest=0.002):
        await until(lambda: runs >= 9, 5)
    told = [record for record in caplog.records if record.getMessage().startswith("probe failed")]
    assert [record.exc_info and record.exc_info[0] for record in told] == [ValueError, asyncio.CancelledError]


async def test_the_end_of_its_block_ends_it_amid_its_work() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with periodically("endless", 0.001, work):
        await asyncio.wait_for(begun.wait(), 5)
    assert ended.is_set()
