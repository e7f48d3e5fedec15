"""Hits, misses, fills and refused writes by namespace, for GetStats and for Prometheus."""

from datetime import datetime

from runtime.clock import Clock, utc_now
from runtime.telemetry.metrics import Counter
from services.cache.namespaces import SHARED

MAX_NAMESPACES = 1_000
OTHER = "other"

hits = Counter("trivet_cache_hits_total", "Reads that found their entry.", ["namespace"])
misses = Counter("trivet_cache_misses_total", "Reads that did not find their entry.", ["namespace"])
fills = Counter("trivet_cache_fills_total", "Writes that were stored.", ["namespace"])
refusals = Counter("trivet_cache_refusals_total", "Writes refused because their lease was outdated.", ["namespace"])


class NamespaceCounts:
    """The counts of one namespace since the process started."""

    def __init__(self, label: str) -> None:
        self.hits = self.misses = self.fills = self.refusals = 0
        self._hits, self._misses = hits.of(label), misses.of(label)
        self._fills, self._refusals = fills.of(label), refusals.of(label)

    def read(self, found: int, requested: int) -> None:
        """Count a read of `requested` entries, of which `found` were hits."""
        self.hits += found
        self.misses += requested - found
        self._hits.value += found
        self._misses.value += requested - found

    def wrote(self, stored: int, given: int) -> None:
        """Count a write of `given` entries, of which `stored` were stored."""
        self.fills += stored
        self.refusals += given - stored
        self._fills.value += stored
        self._refusals.value += given - stored


class Stats:
    """Counts per namespace. At most 1,000 namespaces have their own counts. Further private ones share one count.

    Prometheus gets the shared namespaces by name and all others as `other`.
    """

    def __init__(self, *, now: Clock = utc_now) -> None:
        self.start_time: datetime = now()
        self._counts: dict[str, NamespaceCounts] = {}

    def of(self, namespace: str) -> NamespaceCounts:
        """Return the counts of a namespace, by its unique name."""
        counts = self._counts.get(namespace)
        if counts is None:
            if len(self._counts) >= MAX_NAMESPACES and namespace not in SHARED:
                namespace = OTHER
            counts = self._counts.setdefault(namespace, NamespaceCounts(namespace if namespace in SHARED else OTHER))
        return counts

    def by_name(self) -> list[tuple[str, NamespaceCounts]]:
        """Return all counts, sorted by namespace."""
        return sorted(self._counts.items())
