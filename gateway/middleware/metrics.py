"""Counts and times requests by route template."""

import time

from prometheus_client import Gauge
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.request_context import request_context_of
from runtime.rpc.interceptors import LATENCY_BUCKETS
from runtime.telemetry.metrics import Counter, GaugeValue, Histogram

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

handled = Counter("trivet_http_requests_total", "Requests answered, by status.", ["method", "route", "status"])
duration = Histogram("trivet_http_duration_seconds", "How long requests took.", ["route"], bounds=LATENCY_BUCKETS)
in_flight = GaugeValue()
Gauge("trivet_http_in_flight", "Requests in flight.").set_function(lambda: in_flight.value)


class Metrics:
    """Counts and times requests. Each label has a closed set of values: no paths and no unknown methods."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        in_flight.value += 1
        try:
            await self._app(scope, receive, send)
        finally:
            in_flight.value -= 1
            context = request_context_of(scope)
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            handled.of(method, context.route, context.status).value += 1
            duration.of(context.route).observe(time.perf_counter() - began)
