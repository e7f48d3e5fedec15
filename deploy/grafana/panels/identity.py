"""The dashboard of the identity service."""

from deploy.grafana.panels.common import rpc_panels, store_panels
from deploy.grafana.panels.panel import Dashboard, Panel, quantile, rate

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
