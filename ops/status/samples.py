"""The numbers of one process's /metrics, and how they change between two readings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

from prometheus_client.parser import text_string_to_metric_families

Matches = Mapping[str, str]


class Samples:
    """All samples that a process answered at one moment."""

    def __init__(self, text: str) -> None:
        self._by_name: dict[str, list[tuple[Matches, float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._by_name.setdefault(sample.name, []).append((sample.labels, sample.value))

    def values(self, name: str, **labels: str) -> Iterator[tuple[Matches, float]]:
        """Yield the labels and value of each series with these labels."""
        for own, value in self._by_name.get(name, ()):
            if labels.items() <= own.items():
                yield own, value

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the series with these labels, 0 without any."""
        return sum(value for _, value in self.values(name, **labels))

    def largest(self, name: str, **labels: str) -> float | None:
        """Return the largest value of these series, None without any."""
        return max((value for _, value in self.values(name, **labels)), default=None)

    def label(self, name: str, label: str) -> str:
        """Return the value of a label of the first series, empty without any."""
        return next((own.get(label, "") for own, _ in self.values(name)), "")

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Return the sums of the series with these labels, by the value of one label."""
        found: dict[str, float] = {}
        for own, value in self.values(name, **labels):
            found[own.get(label, "")] = found.get(own.get(label, ""), 0.0) + value
        return found


@dataclass(frozen=True)
class Window:
    """Two readings of one process, `seconds` apart. Without an earlier reading there are no rates."""

    before: Samples | None
    after: Samples
    seconds: float

    def count(self, name: str, **labels: str) -> float:
        """Return how much a counter has grown. After a restart it is what it is now."""
        now = self.after.total(name, **labels)
        if self.before is None:
            return 0.0
        grown = now - self.before.total(name, **labels)
        return grown if grown >= 0 else now

    def rate(self, name: str, **labels: str) -> float | None:
        """Return the growth of a counter per second, None without an earlier reading."""
        return None if self.before is None else self.count(name, **labels) / self.seconds

    def quantile(self, share: float, name: str, **labels: str) -> float | None:
        """Return a quantile of what a histogram observed between the readings, None if that was nothing."""
        if self.before is None:
            return None
        now, past = self._buckets(self.after, name, labels), self._buckets(self.before, name, labels)
        grown = {bound: count - past.get(bound, 0.0) for bound, count in now.items()}
        return quantile(share, grown if all(count >= 0 for count in grown.values()) else now)

    @staticmethod
    def _buckets(samples: Samples, name: str, labels: Matches) -> dict[float, float]:
        by_bound = samples.by(f"{name}_bucket", "le", **labels)
        return {float(bound): count for bound, count in by_bound.items()}


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """Return a quantile of cumulative buckets, interpolated within a bucket as Prometheus does. None without samples.

    Above the largest finite bound nothing is known, so that bound is returned.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    rank = share * total
    low, below = 0.0, 0.0
    for bound in bounds:
        here = buckets[bound]
        if here >= rank and here > below:
            return low if bound == inf else low + (bound - low) * (rank - below) / (here - below)
        low, below = bound, here
    return low
