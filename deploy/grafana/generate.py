"""Writes the Grafana dashboards: an overview and one for each process. `make dashboards` runs it."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, COLUMNS = 8, 7, 3
SCHEMA_VERSION = 39


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


OVERVIEW = Dashboard(
    "trivet-overview",
    "Trivet: overview",
    (
        Panel("Processes that are up", "short", {"{{instance}}": 'up{job="trivet"}'}),
        Panel("Requests by status", "reqps", {"{{status}}": rate("trivet_http_requests_total", "status")}),
        Panel("Time of a request", "s", latencies("trivet_http_duration_seconds")),
        Panel(
            "Availability: errors of the last hour",
            "percentunit",
            {"errors": "trivet:http_errors:ratio_rate1h"},
            "The objective allows 0.1%.",
        ),
        Panel(
            "Latency: slow answers of the last hour",
            "percentunit",
            {"over 250 ms": "trivet:http_slow:ratio_rate1h"},
            "The objective allows 1%.",
        ),
        Panel(
            "Services and stores that answer the gateway",
            "short",
            {"{{service}} {{part}}": "min by (service, part) (trivet_gateway_part_up)"},
        ),
        Panel(
            "Failed calls of the services",
            "reqps",
            {
                "{{code}}": rate(
                    'trivet_rpc_handled_total{code=~"INTERNAL|UNKNOWN|UNAVAILABLE|DEADLINE_EXCEEDED"}', "code"
                )
            },
        ),
        Panel(
            "Refused because of overload",
            "reqps",
            {"requests": rate("trivet_http_shed_total"), "passwords": rate("trivet_hashing_shed_total")},
        ),
        Panel(
            "Dropped",
            "cps",
            {
                "access log": rate("trivet_request_log_dropped_total"),
                "log lines": rate("trivet_log_lines_dropped_total"),
                "background work": rate("trivet_tasks_dropped_total"),
                "invalidations": rate("trivet_answers_lost_total"),
            },
        ),
        Panel(
            "Age of the oldest message",
            "s",
            {
                "outbox {{topic}}": "max by (topic) (trivet_outbox_lag_seconds)",
                "mail": "max(trivet_mail_queue_oldest_seconds)",
            },
        ),
        Panel(
            "Waiting messages",
            "short",
            {"outbox {{topic}}": "max by (topic) (trivet_outbox_length)", "mail": "max(trivet_mail_queue_length)"},
        ),
        Panel("Event loop lag, p99", "s", {"{{instance}}": quantile(0.99, "trivet_loop_lag_seconds", "instance")}),
        Panel(
            "Processor",
            "percentunit",
            {"{{instance}}": 'rate(process_cpu_seconds_total{job="trivet"}[$__rate_interval])'},
            "1 is one core.",
        ),
        Panel("Versions", "short", {"{{instance}} {{version}}": "trivet_build_info"}),
        Panel("Clients of a service", "short", {"{{instance}}": "sum by (instance) (trivet_rpc_clients)"}),
        Panel("Memory", "bytes", {"{{instance}}": 'process_resident_memory_bytes{job="trivet"}'}),
        Panel("Open files", "short", {"{{instance}}": 'process_open_fds{job="trivet"}'}),
        Panel(
            "Age of the newest backup",
            "s",
            {"age": "time() - (max(trivet_backup_newest_timestamp_seconds) > 0)"},
            "Empty until there is one.",
        ),
        Panel(
            "Duration and failures of backups",
            "short",
            {
                "seconds": "max(trivet_backup_duration_seconds)",
                "failures in a day": "sum(increase(trivet_backup_failures_total[1d]))",
                "failures in a row": "max(trivet_backup_failed_in_a_row)",
            },
        ),
        Panel("Backup is overdue", "short", {"overdue": "max(trivet_backup_overdue)"}),
        Panel("Background work that failed", "cps", {"{{name}}": rate("trivet_tasks_failed_total", "name")}),
        Panel(
            "Calls in flight",
            "short",
            {"{{instance}}": "trivet_rpc_in_flight", "refused a second": rate("trivet_rpc_crowded_out_total")},
        ),
        Panel("Size of the newest backup", "bytes", {"bytes": "max(trivet_backup_bytes)"}),
        Panel(
            "Certificate expires in",
            "s",
            {"{{host}}": "min by (host) (trivet_certificate_expiry_timestamp_seconds) - time()"},
        ),
    ),
)
GATEWAY = Dashboard(
    "trivet-gateway",
    "Trivet: gateway",
    (
        Panel(
            "Requests by route", "reqps", {"{{method}} {{route}}": rate("trivet_http_requests_total", "method, route")}
        ),
        Panel(
            "Failed requests by route",
            "reqps",
            {"{{route}} {{status}}": rate('trivet_http_requests_total{status=~"5.."}', "route, status")},
        ),
        Panel("Time of a request", "s", latencies("trivet_http_duration_seconds")),
        Panel("Slowest routes, p99", "s", {"{{route}}": quantile(0.99, "trivet_http_duration_seconds", "route")}),
        Panel(
            "In flight",
            "short",
            {"{{phase}}": "sum by (phase) (trivet_http_admitted)", "all": "sum(trivet_http_in_flight)"},
        ),
        Panel("Refused because of overload", "reqps", {"refused": rate("trivet_http_shed_total")}),
        Panel(
            "Rate limited",
            "reqps",
            {
                "429": rate('trivet_http_requests_total{status="429"}'),
                "counted without the cache": rate("trivet_gateway_limits_alone_total"),
            },
        ),
        Panel(
            "Near cache: hits",
            "percentunit",
            {
                "hits": f"{rate('trivet_near_hits_total')} / "
                f"({rate('trivet_near_hits_total')} + {rate('trivet_near_misses_total')})"
            },
        ),
        Panel("Near cache: entries", "short", {"{{instance}}": "trivet_near_entries"}),
        Panel("Near cache: memory", "bytes", {"{{instance}}": "trivet_near_bytes"}),
        Panel("Near cache: is live", "short", {"{{instance}}": "trivet_near_live"}),
        Panel(
            "Near cache: events",
            "cps",
            {name: rate(f"trivet_near_{name}_total") for name in ("invalidations", "evictions", "refusals", "resets")},
        ),
        Panel(
            "Reads that bypassed the cache service", "reqps", {"bypassed": rate("trivet_gateway_cache_bypassed_total")}
        ),
        Panel("Time of a probe", "s", {"{{service}}": "max by (service) (trivet_gateway_probe_seconds)"}),
        Panel(
            "Access log",
            "short",
            {
                "waiting": "sum(trivet_request_log_waiting)",
                "dropped a second, {{reason}}": rate("trivet_request_log_dropped_total", "reason"),
            },
        ),
        Panel(
            "Restarts of workers", "short", {"in an hour": "sum(increase(trivet_gateway_worker_restarts_total[1h]))"}
        ),
    ),
)
IDENTITY = Dashboard(
    "trivet-identity",
    "Trivet: identity",
    (
        *rpc_panels("identity"),
        Panel(
            "Statements by name, p99",
            "s",
            {
                "{{operation}} {{statement}}": quantile(
                    0.99, "trivet_statement_duration_seconds", "operation, statement"
                )
            },
            "At the database, without the wait for a connection.",
        ),
        Panel(
            "Statements by name",
            "reqps",
            {"{{operation}} {{statement}}": rate("trivet_statement_duration_seconds_count", "operation, statement")},
        ),
        Panel(
            "Slow statements",
            "cps",
            {"{{operation}} {{statement}}": rate("trivet_slow_statements_total", "operation, statement")},
            "The log has their plans.",
        ),
        Panel("Retries", "cps", {"{{cause}}": rate("trivet_store_retries_total", "cause")}),
        Panel("Follow-ups that were late", "cps", {"late": rate("trivet_follow_ups_late_total")}),
        *store_panels("mysql|postgresql|sqlite"),
        Panel(
            "Passwords that wait for a thread",
            "short",
            {"waiting": "sum(trivet_hashing_waiting)", "refused a second": rate("trivet_hashing_shed_total")},
        ),
        Panel("Passwords hashed again", "cps", {"renewed": rate("trivet_password_hashes_renewed_total")}),
        Panel("Outbox: age of the oldest", "s", {"{{topic}}": "max by (topic) (trivet_outbox_lag_seconds)"}),
        Panel(
            "Outbox: length",
            "short",
            {
                "{{topic}}": "max by (topic) (trivet_outbox_length)",
                "parked {{topic}}": "max by (topic) (trivet_outbox_parked)",
            },
        ),
        Panel("Outbox: refused", "cps", {"{{topic}}": rate("trivet_outbox_refused_total", "topic")}),
        Panel(
            "Invalidations left to the relay", "cps", {"unconfirmed": rate("trivet_invalidations_unconfirmed_total")}
        ),
        Panel("Entries offered to the cache", "cps", {"{{outcome}}": rate("trivet_cache_offers_total", "outcome")}),
        Panel(
            "Sign-ins at providers",
            "cps",
            {
                "{{outcome}}": rate("trivet_oauth_callbacks_total", "outcome"),
                "requests: {{outcome}}": rate("trivet_oauth_exchanges_total", "outcome"),
            },
        ),
        Panel("Stripe events", "cps", {"{{outcome}}": rate("trivet_stripe_events_total", "outcome")}),
        Panel("Expired rows deleted", "cps", {"{{table}}": rate("trivet_expired_rows_removed_total", "table")}),
    ),
)
NOTIFICATIONS = Dashboard(
    "trivet-notifications",
    "Trivet: notifications",
    (
        *rpc_panels("notifications"),
        *store_panels("mongodb"),
        Panel("Mails", "cps", {name: rate(f"trivet_mails_{name}_total") for name in ("sent", "retried", "failed")}),
        Panel("Mail queue: length", "short", {"waiting": "max(trivet_mail_queue_length)"}),
        Panel("Mail queue: age of the oldest", "s", {"age": "max(trivet_mail_queue_oldest_seconds)"}),
        Panel("Mail server refuses this sender", "short", {"refused": "max(trivet_mail_sender_refused)"}),
        Panel(
            "Invalidations",
            "cps",
            {"unconfirmed": rate("trivet_answers_unconfirmed_total"), "lost": rate("trivet_answers_lost_total")},
        ),
        Panel("Audit events that came too late", "cps", {"expired": rate("trivet_audit_events_expired_total")}),
    ),
)
CACHE = Dashboard(
    "trivet-cache",
    "Trivet: cache",
    (
        *rpc_panels("cache"),
        Panel("Hits by namespace", "reqps", {"{{namespace}}": rate("trivet_cache_hits_total", "namespace")}),
        Panel("Misses by namespace", "reqps", {"{{namespace}}": rate("trivet_cache_misses_total", "namespace")}),
        Panel(
            "Share of hits",
            "percentunit",
            {
                "{{namespace}}": f"{rate('trivet_cache_hits_total', 'namespace')} / "
                f"({rate('trivet_cache_hits_total', 'namespace')} + {rate('trivet_cache_misses_total', 'namespace')})"
            },
        ),
        Panel(
            "Fills and refused fills",
            "cps",
            {
                "filled: {{namespace}}": rate("trivet_cache_fills_total", "namespace"),
                "refused: {{namespace}}": rate("trivet_cache_refusals_total", "namespace"),
            },
        ),
        Panel(
            "Scripts in Redis, p99",
            "s",
            {"{{operation}}": quantile(0.99, "trivet_store_duration_seconds", "operation", 'system="redis"')},
        ),
        Panel(
            "Redis",
            "short",
            {
                "is used": "min(trivet_cache_store_up)",
                "errors a second: {{error}}": rate("trivet_cache_store_errors_total", "error"),
            },
        ),
        Panel("Near caches that watch", "short", {"{{instance}}": "trivet_cache_readers"}),
        Panel("Wait of an invalidation", "s", latencies("trivet_cache_invalidation_wait_seconds")),
        Panel(
            "Invalidations that were not confirmed",
            "cps",
            {"unconfirmed": rate("trivet_cache_invalidations_unconfirmed_total")},
        ),
        Panel("Resets of readers", "cps", {"{{reason}}": rate("trivet_cache_resets_total", "reason")}),
        Panel("Rate limits", "reqps", {"{{outcome}}": rate("trivet_cache_acquired_total", "outcome")}),
    ),
)
DASHBOARDS = (OVERVIEW, GATEWAY, IDENTITY, NOTIFICATIONS, CACHE)


def as_json(panel: Panel, place: int) -> dict[str, Any]:
    """Return Grafana's form of a panel. Panels fill rows of three."""
    row, column = divmod(place, COLUMNS)
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": DATASOURCE, "expr": query, "legendFormat": legend}
            for number, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def rendered(dashboard: Dashboard) -> str:
    """Return the file of a dashboard."""
    datasource = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    content = {
        "uid": dashboard.id,
        "title": dashboard.title,
        "tags": ["trivet"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [datasource]},
        "links": [{"type": "dashboards", "tags": ["trivet"], "title": "Trivet", "asDropdown": True, "keepTime": True}],
        "panels": [as_json(panel, place) for place, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(content, indent=1) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.id}.json").write_text(rendered(dashboard))
    print(f"trivet: wrote {len(DASHBOARDS)} dashboards to {FOLDER}", file=sys.stderr)


if __name__ == "__main__":
    main()
