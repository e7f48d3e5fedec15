"""Panels and dashboards, and the queries that they are made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """A time series: queries by their legend, and the unit of the axis."""

    title: str
    unit: str
    queries: dict[str, str]
    description: str = ""


@dataclass(frozen=True)
class Dashboard:
    """A dashboard, whose file is named after its id."""

    id: str
    title: str
    panels: tuple[Panel, ...]


def rate(counter: str, by: str = "") -> str:
    """Return the rate of a counter, over all instances."""
    return f"sum{f' by ({by})' if by else ''} (rate({counter}[$__rate_interval]))"


def quantile(share: float, histogram: str, by: str = "", labels: str = "") -> str:
    """Return a quantile of a histogram, over all instances."""
    grouping = ", ".join(filter(None, ("le", by)))
    buckets = f"rate({histogram}_bucket{f'{{{labels}}}' if labels else ''}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({grouping}) ({buckets}))"


def latencies(histogram: str, labels: str = "") -> dict[str, str]:
    return {f"p{share * 100:g}": quantile(share, histogram, labels=labels) for share in (0.5, 0.95, 0.99)}
