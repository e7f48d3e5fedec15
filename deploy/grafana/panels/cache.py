"""The dashboard of the cache service."""

from deploy.grafana.panels.common import rpc_panels
from deploy.grafana.panels.panel import Dashboard, Panel, latencies, quantile, rate

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
