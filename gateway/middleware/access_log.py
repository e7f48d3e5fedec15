"""Logs every request except probes."""

import time

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.access_log import AccessLogWriter
from gateway.http.request_context import RequestContext, request_context_of
from gateway.middleware.metrics import METHODS
from trivet.notifications.v1.log_service_pb2 import (
    LOG_LEVEL_ERROR,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LogEntry,
    LogLevel,
)

PROBES = frozenset({"/healthz", "/readyz"})


class AccessLog:
    """Queues an entry with user, route and status. Paths, queries and bodies are never logged.

    Of the requests that the near cache answered, one of `hits_every` is logged. Its entry says for how many requests it
    stands (`sampledEvery`). Failures are always logged.
    """

    def __init__(self, app: ASGIApp, access_log: AccessLogWriter, *, hits_every: int = 1) -> None:
        self._app = app
        self._access_log = access_log
        self._hits_every = hits_every
        self._hits = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, now = time.perf_counter(), time.time_ns()
        try:
            await self._app(scope, receive, send)
        finally:
            context = request_context_of(scope)
            if context.route not in PROBES and (stands_for := self._stands_for(context)):
                method = scope["method"] if scope["method"] in METHODS else "OTHER"
                entry = entry_of(context, method, now, time.perf_counter() - began, stands_for=stands_for)
                self._access_log.add(entry)

    def _stands_for(self, context: RequestContext) -> int:
        """Return the number of requests that the entry of this one represents, 0 if it is not logged."""
        if not context.is_hit or _failed(context.status):
            return 1
        is_logged = self._hits % self._hits_every == 0
        self._hits += 1
        return self._hits_every if is_logged else 0


def entry_of(context: RequestContext, method: str, began_ns: int, seconds: float, *, stands_for: int = 1) -> LogEntry:
    """Return the entry of a request that began at `began_ns` (since 1970) and took `seconds`."""
    entry = LogEntry(
        level=_level(context.status),
        message=f"{method} {context.route} {context.status}",
        user_id=context.user_id,
        endpoint=context.route,
        method=method,
        status=context.status,
        duration_ms=round(seconds * 1000, 3),
        service="gateway",
        trace_id=context.trace_id,
        span_id=context.span_id,
    )
    entry.timestamp.FromNanoseconds(began_ns)
    entry.attributes["requestId"] = context.request_id
    if stands_for > 1:
        entry.attributes["sampledEvery"] = stands_for
    return entry


def _failed(status: int) -> bool:
    return status >= 400 or status == 0


def _level(status: int) -> "LogLevel.ValueType":
    if status >= 500 or status == 0:
        return LOG_LEVEL_ERROR
    return LOG_LEVEL_WARNING if status >= 400 else LOG_LEVEL_INFO
