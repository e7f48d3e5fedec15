"""Rates and quantiles of two readings of /metrics."""

import pytest

from ops.status.samples import Samples, Window, quantile

BEFORE = """
# TYPE trivet_calls_total counter
trivet_calls_total{method="a",code="OK"} 10
trivet_calls_total{method="b",code="OK"} 5
# TYPE trivet_seconds histogram
trivet_seconds_bucket{le="0.1"} 100
trivet_seconds_bucket{le="1.0"} 100
trivet_seconds_bucket{le="+Inf"} 100
"""
AFTER = """
# TYPE trivet_calls_total counter
trivet_calls_total{method="a",code="OK"} 30
trivet_calls_total{method="b",code="OK"} 5
trivet_calls_total{method="b",code="INTERNAL"} 4
# TYPE trivet_seconds histogram
trivet_seconds_bucket{le="0.1"} 100
trivet_seconds_bucket{le="1.0"} 110
trivet_seconds_bucket{le="+Inf"} 110
"""


def test_a_rate_is_the_growth_per_second_of_the_series_with_the_labels() -> None:
    window = Window(Samples(BEFORE), Samples(AFTER), 2.0)
    assert window.rate("trivet_calls_total") == 12
    assert window.rate("trivet_calls_total", method="a") == 10
    assert window.rate("trivet_calls_total", code="INTERNAL") == 2
    assert window.rate("trivet_unknown_total") == 0


def test_after_a_restart_the_growth_is_what_was_counted_since() -> None:
    window = Window(Samples(AFTER), Samples(BEFORE), 1.0)
    assert window.count("trivet_calls_total") == 15
    assert window.quantile(0.5, "trivet_seconds") == pytest.approx(0.05)


def test_without_an_earlier_reading_nothing_is_known() -> None:
    window = Window(None, Samples(AFTER), 1.0)
    assert window.rate("trivet_calls_total") is None
    assert window.quantile(0.5, "trivet_seconds") is None


def test_a_quantile_is_of_what_was_observed_between_the_readings() -> None:
    window = Window(Samples(BEFORE), Samples(AFTER), 1.0)
    assert window.quantile(0.5, "trivet_seconds") == pytest.approx(0.55)
    assert Window(Samples(AFTER), Samples(AFTER), 1.0).quantile(0.5, "trivet_seconds") is None


def test_a_quantile_is_interpolated_and_ends_at_the_last_finite_bound() -> None:
    buckets = {0.1: 50.0, 0.2: 100.0, float("inf"): 200.0}
    assert quantile(0.25, buckets) == pytest.approx(0.1)
    assert quantile(0.375, buckets) == pytest.approx(0.15)
    assert quantile(0.99, buckets) == 0.2
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {0.1: 0.0, float("inf"): 0.0}) is None


def test_the_largest_value_and_the_sums_by_a_label() -> None:
    samples = Samples('lag{topic="a"} 3\nlag{topic="b"} 7\n')
    assert samples.largest("lag") == 7
    assert samples.by("lag", "topic") == {"a": 3, "b": 7}
    assert samples.largest("none") is None
    assert samples.label("lag", "topic") == "a"
