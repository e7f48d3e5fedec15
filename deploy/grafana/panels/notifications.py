"""The dashboard of the notifications service."""

from deploy.grafana.panels.common import rpc_panels, store_panels
from deploy.grafana.panels.panel import Dashboard, Panel, rate

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
