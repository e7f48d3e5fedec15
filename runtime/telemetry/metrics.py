"""Counts and durations as plain integers, which Prometheus reads when it asks.

Where every request counts, `prometheus_client` pays for a lock and a check each time. Here one thread counts in each
series, and the thread that answers `/metrics` only reads: what it sees is what was counted a moment ago.
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

MOST_SERIES = 4_000
OTHER = "other"


class Count:
    """A number that only grows: whoever counts adds to `value`."""

    __slots__ = ("created", "value")

    def __init__(self) -> None:
        self.value = 0
        self.created = time.time()

    def add(self, other: Self) -> None:
        """Count what another has."""
        self.value += other.value

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        yield "_total", {}, float(self.value)
        yield "_created", {}, self.created


class Timing:
    """How many calls took how long, by bucket, and how long all of them together."""

    __slots__ = ("_bounds", "buckets", "created", "seconds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.seconds = 0.0
        self.created = time.time()

    def observe(self, seconds: float) -> None:
        """Count one call that took so long; a bucket's bound belongs to it."""
        self.buckets[bisect_left(self._bounds, seconds)] += 1
        self.seconds += seconds

    def add(self, other: Self) -> None:
        """Count the calls that another has."""
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
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]  # the client's own


S = TypeVar("S", Count, Timing)


class _Family(Collector, Generic[S]):
    """All series of one metric, each made when its labels are first asked for."""

    _type: str

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], *, most: int, registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._most = most
        self._series: dict[tuple[object, ...], S] = {}
        self._apart: dict[tuple[object, ...], list[S]] = {}
        registry.register(self)

    def of(self, *labels: object) -> S:
        """Return the series with these values of the labels, in their order.

        So many may differ and no more: further ones are counted together, every label being `other`.
        """
        if (found := self._series.get(labels)) is not None:
            return found
        if len(labels) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}, not {labels}")
        if len(self._series) >= self._most:
            labels = (OTHER,) * len(labels)
        return self._series.setdefault(labels, self._new())

    def apart(self, *labels: object) -> S:
        """Return one more series of these labels, for a thread of its own: they are told as one."""
        self.of(*labels)
        made = self._new()
        self._apart.setdefault(labels, []).append(made)
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
        """Return the sum of all series of these labels."""
        further: list[S] = self._apart.get(labels, [])
        if not further:
            return series
        whole = self._new()
        whole.created = series.created
        whole.add(series)
        for part in further:
            whole.add(part)
        return whole


class Counts(_Family[Count]):
    """A counter; without labels it is there, as zero, from the beginning."""

    _type = "counter"

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        *,
        most: int = MOST_SERIES,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        super().__init__(name.removesuffix("_total"), documentation, labels, most=most, registry=registry)
        if not labels:
            self.of()

    def _new(self) -> Count:
        return Count()


class Timings(_Family[Timing]):
    """A histogram of seconds, with upper `bounds` of its buckets in their order."""

    _type = "histogram"

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        bounds: Sequence[float],
        most: int = MOST_SERIES,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._bounds = tuple(bounds)
        super().__init__(name, documentation, labels, most=most, registry=registry)

    def _new(self) -> Timing:
        return Timing(self._bounds)


class Level:
    """How many there are now: whoever comes adds to `value`, whoever goes takes it back."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0
