"""The panels that several processes have: those of gRPC services and of stores."""

from deploy.grafana.panels.panel import Panel, latencies, quantile, rate


def rpc_panels(service: str) -> tuple[Panel, ...]:
    """Return the panels that every gRPC service has."""
    own = f'method=~"trivet.{service}.*"'
    return (
        Panel("Calls by method", "reqps", {"{{method}}": rate(f"trivet_rpc_handled_total{{{own}}}", "method")}),
        Panel(
            "Calls that failed, by status",
            "reqps",
            {"{{code}}": rate(f'trivet_rpc_handled_total{{{own}, code!="OK"}}', "code")},
        ),
        Panel("Time of a call", "s", latencies("trivet_rpc_duration_seconds", own)),
        Panel(
            "Slowest methods, p99", "s", {"{{method}}": quantile(0.99, "trivet_rpc_duration_seconds", "method", own)}
        ),
    )


def store_panels(systems: str) -> tuple[Panel, ...]:
    """Return the panels of a store: its calls, the pool and the sizes."""
    own = f'system=~"{systems}"'
    return (
        Panel(
            "Store calls by operation, p99",
            "s",
            {"{{operation}}": quantile(0.99, "trivet_store_duration_seconds", "operation", own)},
        ),
        Panel(
            "Connections",
            "short",
            {
                "in use": f"sum(trivet_store_pool_in_use{{{own}}})",
                "open": f"sum(trivet_store_pool_size{{{own}}})",
                "limit": f"sum(trivet_store_pool_limit{{{own}}})",
            },
        ),
        Panel(
            "Wait for a connection, p99",
            "s",
            {"p99": quantile(0.99, "trivet_store_pool_wait_seconds", labels=own)},
            "Only calls that had to wait.",
        ),
        Panel("Size", "bytes", {"{{name}} {{part}}": f"max by (name, part) (trivet_store_bytes{{{own}}})"}),
        Panel(
            "Growth in a day",
            "bytes",
            {"{{name}}": f"sum by (name) (max by (name, part) (delta(trivet_store_bytes{{{own}}}[1d])))"},
        ),
        Panel(
            "Rows", "short", {"{{name}}": f"max by (name) (trivet_store_rows{{{own}}})"}, "By the engine's estimate."
        ),
        Panel(
            "Uses of indexes in an hour",
            "short",
            {"{{name}} {{index}}": f"max by (name, index) (delta(trivet_store_index_uses{{{own}}}[1h]))"},
            "Empty if the engine does not count them.",
        ),
        Panel(
            "Replication lag", "s", {"{{replica}}": f"max by (replica) (trivet_store_replication_lag_seconds{{{own}}})"}
        ),
        Panel("Age of these sizes", "s", {"age": f"time() - max(trivet_store_measured_timestamp_seconds{{{own}}})"}),
    )
