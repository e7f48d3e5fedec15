"""Bounds the requests in flight. Further requests are refused at once, before any work."""

from prometheus_client import Counter, Gauge
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.errors import TOO_MANY_IN_FLIGHT, ApiError
from gateway.middleware.access_log import PROBES

MAX_WORKING = 512
MAX_RECEIVING = 2_048
RETRY_SECONDS = 1

admitted = Gauge("trivet_http_admitted", "Requests in flight except probes, by phase: working or receiving.", ["phase"])
shed = Counter("trivet_http_shed_total", "Requests refused because too many were in flight.")


class Admission:
    """Bounds the requests that work, and those whose body is still arriving. Probes are always admitted.

    The two are counted separately, so that slow senders do not take places of requests that work. The time for a body
    is bounded in body_limit.py.
    """

    def __init__(self, app: ASGIApp, *, working: int = MAX_WORKING, receiving: int = MAX_RECEIVING) -> None:
        self._app = app
        self._most_working = working
        self._most_receiving = receiving
        self._working = 0
        self._receiving = 0
        admitted.labels("working").set_function(lambda: self._working)
        admitted.labels("receiving").set_function(lambda: self._receiving)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        if self._working >= self._most_working:
            raise _too_many()
        self._working += 1
        try:
            await self._app(scope, self._counting(receive), send)
        finally:
            self._working -= 1

    def _counting(self, receive: Receive) -> Receive:
        """Count a request as receiving while it waits for its body. Another request can then take its place."""

        async def counted() -> Message:
            if self._receiving >= self._most_receiving:
                raise _too_many()
            self._working -= 1
            self._receiving += 1
            try:
                message = await receive()
            finally:
                self._receiving -= 1
                self._working += 1
            if self._working > self._most_working:
                raise _too_many()
            return message

        return counted


def _too_many() -> ApiError:
    shed.inc()
    return ApiError(
        TOO_MANY_IN_FLIGHT,
        "too many requests in flight: try again",
        headers={"retry-after": str(RETRY_SECONDS)},
    )
