"""What the gauges of the pool say while calls hold connections, and afterwards."""

import asyncio

from prometheus_client import REGISTRY

from services.notifications.store.mongo import open_store
from tests.harness.waiting import until


def gauge(name: str) -> float:
    return REGISTRY.get_sample_value(f"trivet_store_pool_{name}", {"system": "mongodb"}) or 0


async def test_connections_are_counted_while_they_are_held_and_while_they_are_open(database_url: str) -> None:
    """2.8: pool use; never more than the pool may have."""
    open_before, held_before, most = gauge("size"), gauge("in_use"), 0.0
    async with open_store(database_url, pool_size=3, timeout=10.0) as store:
        await until(lambda: store.is_prepared, 10)
        pings = [asyncio.create_task(store.ping()) for _ in range(30)]
        while not all(ping.done() for ping in pings):
            most = max(most, gauge("in_use") - held_before)
            await asyncio.sleep(0)
        await asyncio.gather(*pings)
        assert 1 <= most <= 3
        assert gauge("in_use") == held_before
        assert 1 <= gauge("size") - open_before <= 3
    assert gauge("size") == open_before
