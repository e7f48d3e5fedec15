"""The dashboard of the gateway."""

from deploy.grafana.panels.panel import Dashboard, Panel, latencies, quantile, rate

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
