"""Plain integers say to Prometheus what its own client would have said."""

import random
import re

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition

from runtime.telemetry.metrics import OTHER, Counter, Histogram

BOUNDS = (0.001, 0.01, 0.1, 1)
CREATED = re.compile(r"^(\S+_created\S*) .*$", re.MULTILINE)


def told(registry: CollectorRegistry) -> list[str]:
    """Return what a scrape sees, in both formats; when a series began is left out."""
    texts = (generate_latest(registry), exposition.generate_latest(registry))  # type: ignore[no-untyped-call]  # theirs
    return [CREATED.sub(r"\1", text.decode()) for text in texts]


def test_a_counter_and_a_histogram_are_told_as_prometheus_own_client_tells_them() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counts = Counter("things_total", "Things seen.", ["kind", "status"], registry=ours)
    timings = Histogram("things_seconds", "How long.", ["kind"], bounds=BOUNDS, registry=ours)
    counter = prometheus_client.Counter("things_total", "Things seen.", ["kind", "status"], registry=theirs)
    histogram = prometheus_client.Histogram("things_seconds", "How long.", ["kind"], buckets=BOUNDS, registry=theirs)
    chance = random.Random(1)
    for _ in range(2_000):
        kind, status = chance.choice(('a"b\\c', "ä", "plain")), chance.choice((200, 404, 500))
        counts.of(kind, status).value += 1
        counter.labels(kind, status).inc()
        for seconds in (chance.expovariate(10), *BOUNDS, 0.0):
            timings.of(kind).observe(seconds)
            histogram.labels(kind).observe(seconds)
    assert told(ours) == told(theirs)


def test_a_counter_without_labels_is_there_before_anything_is_counted() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    Counter("things_total", "Things seen.", registry=ours)
    prometheus_client.Counter("things_total", "Things seen.", registry=theirs)
    assert told(ours) == told(theirs)


def test_what_is_beyond_the_bound_is_counted_together() -> None:
    registry = CollectorRegistry()
    bounded = Counter("things_total", "Things seen.", ["a", "b"], most=2, registry=registry)
    for each in range(10):
        bounded.of(each, each).value += 1
    assert registry.get_sample_value("things_total", {"a": "1", "b": "1"}) == 1
    assert registry.get_sample_value("things_total", {"a": "2", "b": "2"}) is None
    assert registry.get_sample_value("things_total", {"a": OTHER, "b": OTHER}) == 8


def test_without_the_bound_every_label_that_a_caller_invents_is_kept() -> None:
    """The protection off."""
    registry = CollectorRegistry()
    unbounded = Counter("things_total", "Things seen.", ["a"], most=10**9, registry=registry)
    for each in range(10_000):
        unbounded.of(each).value += 1
    (metric,) = registry.collect()
    assert len({sample.labels["a"] for sample in metric.samples}) == 10_000


def test_two_metrics_of_one_name_are_refused_and_so_are_labels_that_do_not_fit() -> None:
    registry = CollectorRegistry()
    counts = Counter("things_total", "Things seen.", ["a"], registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Counter("things_total", "Things seen.", registry=registry)
    with pytest.raises(ValueError, match="labels"):
        counts.of("a", "b")


def test_series_of_several_threads_are_told_as_one() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counts = Counter("things_total", "Things seen.", ["kind"], registry=ours)
    timings = Histogram("things_seconds", "How long.", ["kind"], bounds=BOUNDS, registry=ours)
    counter = prometheus_client.Counter("things_total", "Things seen.", ["kind"], registry=theirs)
    histogram = prometheus_client.Histogram("things_seconds", "How long.", ["kind"], buckets=BOUNDS, registry=theirs)
    for count, timing, seconds in (
        (counts.of("a"), timings.of("a"), 0.005),
        (counts.per_thread("a"), timings.per_thread("a"), 0.05),
        (counts.per_thread("a"), timings.per_thread("a"), 5.0),
    ):
        count.value += 1
        counter.labels("a").inc()
        timing.observe(seconds)
        histogram.labels("a").observe(seconds)
    assert told(ours) == told(theirs)
