"""What is counted in plain integers is what Prometheus reads."""

from typing import cast

from prometheus_client.registry import CollectorRegistry

from gateway.sessions.near_cache_metrics import COUNTS, NearCacheMetrics
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import CachedReads, NearCache
from trivet.client.near.near_cache import StreamPosition


def test_every_count_is_told_as_it_stands_now() -> None:
    near, registry = NearCache(), CollectorRegistry()
    reads = CachedReads(cast(CacheServiceStub, None), near)
    registry.register(NearCacheMetrics(reads))
    near.reset(StreamPosition("e", 1))
    near.tick_echoed(near.monotonic() + 60)
    near.put("a", "value", size=10, position=StreamPosition("e", 1), tags=["t"], expires=near.monotonic() + 60)
    near.get("a")
    near.get("b")
    reads.bypassed = 3
    counted = {name: registry.get_sample_value(f"trivet_near_{name}_total") for name in COUNTS}
    assert counted == {"hits": 1, "misses": 1, "refusals": 0, "evictions": 0, "invalidations": 0, "resets": 1}
    assert registry.get_sample_value("trivet_gateway_cache_bypassed_total") == 3
    assert registry.get_sample_value("trivet_near_entries") == 1
    assert registry.get_sample_value("trivet_near_bytes") == near.bytes
    assert registry.get_sample_value("trivet_near_live") == 1
