"""Serves /metrics for Prometheus, with a thread per connection and limits on their number and duration."""

import contextlib
import threading
from socket import SHUT_RDWR, AddressFamily, socket
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import Counter, Info, make_wsgi_app

from runtime.unread_answers import limit_unread_answers
from runtime.version import VERSION

MAX_CONNECTIONS = 16
CONNECTION_SECONDS = 5.0

Info("trivet_build", "The version of this process.").info({"version": VERSION})
refused = Counter("trivet_metrics_connections_refused_total", "Connections to /metrics closed: too many were open.")


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Serves at most `most` connections at a time. A client has `seconds` to send its request and read the response.

    Closes further connections at once and counts them.
    """

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        family: AddressFamily,
        *,
        most: int = MAX_CONNECTIONS,
        seconds: float = CONNECTION_SECONDS,
    ) -> None:
        self.address_family = family
        self._places = threading.BoundedSemaphore(most)
        self._seconds = seconds
        super().__init__(address, _Handler)
        self.set_app(make_wsgi_app())
        limit_unread_answers(self.socket, seconds=seconds)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            refused.inc()
            self.shutdown_request(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(self._seconds, _wake, (request,))
        end.daemon = True
        end.start()
        try:
            super().finish_request(request, client_address)
        finally:
            end.cancel()
            end.join()  # the socket is closed next, and its descriptor can be reused
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a client that disconnects early is not an error."""


def _wake(connection: socket) -> None:
    """End a read or write on which a thread blocks."""
    with contextlib.suppress(OSError):
        connection.shutdown(SHUT_RDWR)
