"""Counters and histograms without locks, for hot paths.

`prometheus_client` takes a lock for every increment. Here only one thread writes to a series. The thread that serves
`/metrics` reads it, and can see values that are a moment old.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Generic, Self, TypeVar

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

MAX_SERIES = 4_000
OTHER = "other"


class CounterSeries:
    """One series of a counter. The thread that owns it adds to `value`."""

    __slots__ = ("created", "value")

    def __init__(self) -> None:
        self.value = 0
        self.created = time.time()

    def add(self, other: Self) -> None:
        """Add the count of another series."""
        self.value += other.value

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        yield "_total", {}, float(self.value)
        yield "_created", {}, self.created


class HistogramSeries:
    """One series of a histogram of seconds."""

    __slots__ = ("_bounds", "buckets", "created", "seconds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.seconds = 0.0
        self.created = time.time()

    def observe(self, seconds: float) -> None:
        """Record one duration. A bucket includes its upper bound."""
        self.buckets[bisect_left(self._bounds, seconds)] += 1
        self.seconds += seconds

    def add(self, other: Self) -> None:
        """Add the durations of another series."""
        self.buckets = [ours + theirs for ours, theirs in zip(self.buckets, other.buckets, strict=True)]
        self.seconds += other.seconds

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        total = 0
        for bound, count in zip((*self._bounds, inf), tuple(self.buckets), strict=True):
            total += count
            yield "_bucket", {"le": _text(bound)}, float(total)
        yield "_count", {}, float(total)
        yield "_sum", {}, self.seconds
        yield "_created", {}, self.created


def _text(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]  # a function of the client


S = TypeVar("S", CounterSeries, HistogramSeries)


class _Family(Collector, Generic[S]):
    """All series of one metric. A series begins when its labels are first used."""

    _type: str

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], *, most: int, registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._most = most
        self._series: dict[tuple[object, ...], S] = {}
        self._per_thread: dict[tuple[object, ...], list[S]] = {}
        registry.register(self)

    def of(self, *labels: object) -> S:
        """Return the series with these label values, in the order of the labels.

        At most `most` label sets are kept; further ones share one series, whose labels are all `other`.
        """
        if (found := self._series.get(labels)) is not None:
            return found
        if len(labels) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}, not {labels}")
        if len(self._series) >= self._most:
            labels = (OTHER,) * len(labels)
        return self._series.setdefault(labels, self._new())

    def per_thread(self, *labels: object) -> S:
        """Return one more series of these labels, for another thread. `/metrics` shows their sum."""
        self.of(*labels)
        made = self._new()
        self._per_thread.setdefault(labels, []).append(made)
        return made

    def _new(self) -> S:
        raise NotImplementedError

    def describe(self) -> Iterable[Metric]:
        return [Metric(self._name, self._documentation, self._type)]

    def collect(self) -> Iterable[Metric]:
        metric = Metric(self._name, self._documentation, self._type)
        for values, series in tuple(self._series.items()):
            own = dict(zip(self._labels, map(str, values), strict=True))
            for suffix, labels, value in self._whole(values, series).samples():
                metric.add_sample(self._name + suffix, {**own, **labels}, value)
        return [metric]

    def _whole(self, labels: tuple[object, ...], series: S) -> S:
        """Return the sum of the series of all threads with these labels."""
        further: list[S] = self._per_thread.get(labels, [])
        if not further:
            return series
        whole = self._new()
        whole.created = series.created
        whole.add(series)
        for part in further:
            whole.add(part)
        return whole


class Counter(_Family[CounterSeries]):
    """A counter. Without labels it is exported from the start, as zero."""

    _type = "counter"

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        *,
        most: int = MAX_SERIES,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        super().__init__(name.removesuffix("_total"), documentation, labels, most=most, registry=registry)
        if not labels:
            self.of()

    def _new(self) -> CounterSeries:
        return CounterSeries()


class Histogram(_Family[HistogramSeries]):
    """A histogram of seconds. `bounds` are the upper bounds of its buckets, in ascending order."""

    _type = "histogram"

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        bounds: Sequence[float],
        most: int = MAX_SERIES,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._bounds = tuple(bounds)
        super().__init__(name, documentation, labels, most=most, registry=registry)

    def _new(self) -> HistogramSeries:
        return HistogramSeries(self._bounds)


class GaugeValue:
    """A number that goes up and down, for the callback of a prometheus_client Gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0
