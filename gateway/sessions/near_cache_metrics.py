"""What the near cache counts, in plain integers, as Prometheus reads it."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trivet.client import CachedReads

COUNTS = {
    "hits": "Reader answered from this process's own memory.",
    "misses": "Reader that were not.",
    "refusals": "Entries not held because one of their tags had moved meanwhile, or there was no room.",
    "evictions": "Entries dropped to make room.",
    "invalidations": "Events that Watch told of.",
    "resets": "Times that everything was dropped: a first visit, a new epoch, or too far behind.",
}


class NearMetrics(Collector):
    """The near cache of this process, and how often the cache service was passed by."""

    def __init__(self, reads: CachedReads) -> None:
        self._reader = reads

    def collect(self) -> Iterable[Metric]:
        near = self._reader.near
        for name, says in COUNTS.items():
            yield CounterMetricFamily(f"trivet_near_{name}", says, value=getattr(near, name))
        yield CounterMetricFamily(
            "trivet_gateway_cache_bypassed",
            "Reader that went past a cache that did not answer.",
            value=self._reader.bypassed,
        )
        yield GaugeMetricFamily("trivet_near_entries", "Entries held.", value=len(near))
        yield GaugeMetricFamily("trivet_near_bytes", "About how much they take.", value=near.bytes)
        yield GaugeMetricFamily("trivet_near_live", "1 while what is held may be served.", value=int(near.is_live))
