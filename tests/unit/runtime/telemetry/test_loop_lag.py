"""Work that blocks the loop is seen from outside."""

import asyncio
import time

from runtime.telemetry.loop_lag import EVERY_SECONDS, lag, measured_lag
from tests.harness.waiting import until


def seen() -> tuple[float, float]:
    """How often the lag was measured, and what it came to in all."""
    samples = {sample.name: sample.value for metric in lag.collect() for sample in metric.samples}
    return samples["trivet_loop_lag_seconds_count"], samples["trivet_loop_lag_seconds_sum"]


async def test_a_loop_that_is_blocked_is_late_by_as_much() -> None:
    """0 (e)."""
    async with measured_lag():
        await asyncio.sleep(0)
        count, total = seen()
        time.sleep(EVERY_SECONDS + 0.2)  # noqa: ASYNC251  # the very thing that nobody should do
        await until(lambda: seen()[0] > count)
    assert seen()[1] - total >= 0.19


async def test_the_measuring_ends_with_what_it_measures() -> None:
    before = asyncio.all_tasks()
    async with measured_lag():
        pass
    assert asyncio.all_tasks() <= before
