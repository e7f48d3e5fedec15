"""Count and latency of every request, by route template."""

import time
from functools import cache

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.exchange import exchange_of
from runtime.concerns import LATENCY_BUCKETS

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

handled = Counter("trivet_http_requests_total", "Requests answered, by status.", ["method", "route", "status"])
duration = Histogram("trivet_http_duration_seconds", "How long requests took.", ["route"], buckets=LATENCY_BUCKETS)
in_flight = Gauge("trivet_http_in_flight", "Requests being worked on.")
# Labels have closed sets of values, so each is looked up once.
handled_of = cache(handled.labels)
duration_of = cache(duration.labels)


class Metrics:
    """Every label has a closed set of values: no path, no method of a caller's invention."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        in_flight.inc()
        try:
            await self._app(scope, receive, send)
        finally:
            in_flight.dec()
            exchange = exchange_of(scope)
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            handled_of(method, exchange.route, exchange.status).inc()
            duration_of(exchange.route).observe(time.perf_counter() - began)
