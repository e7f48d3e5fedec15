"""Measures the lag of the event loop, which shows blocking work on it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Histogram

from runtime.background.tasks import end

EVERY_SECONDS = 0.05

lag = Histogram(
    "trivet_loop_lag_seconds",
    "How late the event loop woke up. Measured 20 times a second.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)


async def _watch() -> None:
    while True:
        due = time.monotonic() + EVERY_SECONDS
        await asyncio.sleep(EVERY_SECONDS)
        lag.observe(max(0.0, time.monotonic() - due))


@asynccontextmanager
async def measured_lag() -> AsyncIterator[None]:
    """Measure inside the block."""
    watching = asyncio.create_task(_watch())
    try:
        yield
    finally:
        await end(watching)
