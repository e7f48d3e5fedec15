"""The listening socket of the gateway, and the times of the shutdown."""

import socket

from gateway.settings import GatewaySettings
from runtime.listening import authority, socket_address
from runtime.unread_answers import limit_unread_answers

BACKLOG = 4_096
GRACE_SECONDS = 3.5
LINGER_SECONDS = 0.4
"""The part of the grace in which an open connection can still bring a request."""


def bound(settings: GatewaySettings, *, shares_port: bool) -> socket.socket:
    """Return a socket bound to the address. With `shares_port`, other workers can bind it too.

    Raises SystemExit, with one line, if the address is in use or not allowed.
    """
    try:
        family, address = socket_address(settings.host, settings.http_port)
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Granian has no write time-out, and answers pipelined requests for as long as the kernel takes the answers.
        limit_unread_answers(listener, seconds=2 * settings.header_seconds)
        listener.bind(address)
    except OSError as error:
        where = f"http://{authority(settings.host, settings.http_port)}"
        raise SystemExit(f"trivet: the gateway cannot listen on {where}: {error.strerror}") from None
    return listener
