"""Limits the cost of clients that do not read their responses."""

import socket
import sys

UNSENT_BYTES = 128 * 1_024
"""The unread response bytes that the kernel buffers per connection."""


def limit_unread_answers(listener: socket.socket, *, seconds: float) -> None:
    """Make the kernel close a connection whose client reads nothing of a response for `seconds`.

    The sockets that the listener accepts inherit this on Linux; elsewhere nothing is limited.
    """
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1_000))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
