"""The socket that HTTP is served on: its address, its limits, and how long requests may take at the end."""

import socket

from gateway.settings import GatewaySettings
from runtime.unread_answers import limit_unread_answers

BACKLOG = 4_096
GRACE_SECONDS = 3.5
LET_GO_SECONDS = 0.4
"""How long of that a connection which is open when no new ones are accepted may still bring a request."""


def bound(settings: GatewaySettings, *, shares_port: bool) -> socket.socket:
    """Return a socket that has the address; with `shares_port` others of ours may have it too.

    Raises SystemExit, with one line, if somebody else listens there, or nobody may.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.http_port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Granian has no write time-out, and answers pipelined requests for as long as the kernel takes the answers.
        limit_unread_answers(listener, seconds=2 * settings.header_seconds)
        listener.bind(address)
    except OSError as error:
        where = f"http://{settings.host}:{settings.http_port}"
        raise SystemExit(f"trivet: the gateway cannot listen on {where}: {error.strerror}") from None
    return listener
