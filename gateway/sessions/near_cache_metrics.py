"""Exports the counts of the near cache to Prometheus."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trivet.client import CachedReads

COUNTS = {
    "hits": "Reads that the near cache answered.",
    "misses": "Reads that the near cache could not answer.",
    "refusals": "Entries not stored because one of their tags had moved meanwhile, or there was no room.",
    "evictions": "Entries dropped to make room.",
    "invalidations": "Invalidations received from Watch.",
    "resets": "Times that all entries were dropped: a first connection, a new epoch, or too far behind.",
}


class NearCacheMetrics(Collector):
    """The near cache of this process, and the reads that bypassed the cache service."""

    def __init__(self, reads: CachedReads) -> None:
        self._reads = reads

    def collect(self) -> Iterable[Metric]:
        near = self._reads.near
        for name, says in COUNTS.items():
            yield CounterMetricFamily(f"trivet_near_{name}", says, value=getattr(near, name))
        yield CounterMetricFamily(
            "trivet_gateway_cache_bypassed",
            "Reads that bypassed the cache service because it did not answer.",
            value=self._reads.bypassed,
        )
        yield GaugeMetricFamily("trivet_near_entries", "Entries stored.", value=len(near))
        yield GaugeMetricFamily("trivet_near_bytes", "The approximate size of the entries.", value=near.bytes)
        yield GaugeMetricFamily("trivet_near_live", "1 while entries can be served.", value=int(near.is_live))
