"""The dashboard of the whole system."""

from deploy.grafana.panels.panel import Dashboard, Panel, latencies, quantile, rate

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
