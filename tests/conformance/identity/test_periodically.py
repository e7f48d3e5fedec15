"""Work that comes back: it goes on after failures, and its pauses stay below their bound."""

import logging

import pytest

from runtime.errors import Unavailable
from services.identity.periodically import periodically
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
