"""What a client that does not read its answers may cost a listening socket."""

import socket
import sys

UNSENT_BYTES = 128 * 1_024
"""How much of its answers the kernel keeps for a client that does not read them."""


def limit_unread_answers(listener: socket.socket, *, seconds: float) -> None:
    """Make the kernel give up a connection whose client takes nothing of an answer for `seconds`.

    The sockets that the listener accepts inherit this on Linux; elsewhere nothing is limited.
    """
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1_000))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
