"""Metrics of what the stores hold, measured now and then by the process that owns the store."""

from collections.abc import Mapping

from prometheus_client import Gauge

FIRST_SECONDS = 10.0
EVERY_SECONDS = 600.0
"""The pauses before the first measurement and between two. Sizes change slowly, and an engine reads files for them."""

rows = Gauge("trivet_store_rows", "Rows of a table or documents of a collection, by estimate.", ["system", "name"])
size = Gauge(
    "trivet_store_bytes", "Bytes of a table or collection. The part is `data` or `indexes`.", ["system", "name", "part"]
)
index_uses = Gauge(
    "trivet_store_index_uses",
    "How often the engine used an index since it began to count; absent if it does not count.",
    ["system", "name", "index"],
)
replication_lag = Gauge(
    "trivet_store_replication_lag_seconds",
    "How far a replica is behind its primary; +Inf if it does not replicate.",
    ["system", "replica"],
)
measured_at = Gauge("trivet_store_measured_timestamp_seconds", "When the store was last measured.", ["system"])


def show_lags(system: str, lags: Mapping[str, float]) -> None:
    """Show the lag of each replica. One that left is no longer shown."""
    replication_lag.remove_by_labels({"system": system})
    for replica, seconds in lags.items():
        replication_lag.labels(system, replica).set(seconds)
