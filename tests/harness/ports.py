"""Free ports for servers that tests start, given to one process of the tests alone."""

import random
import socket
import threading
from collections.abc import Iterator
from functools import cache
from itertools import cycle

FIRST, END, BLOCK = 61_000, 65_500, 150
"""Above the ports that Linux gives to connections, which could take one before its server does. `trivet run`
looks below them."""

_turn = threading.Lock()


def free_port() -> int:
    """Return a TCP port that no server listens on and that no other run of the tests gives away.

    The ports of the process come in turn, so that one is free again for long before it is given a second time.
    """
    with _turn:
        return next(port for port in own_ports() if is_free(port))


@cache
def own_ports() -> Iterator[int]:
    """Claim a block of ports for this process, by binding its first port until the process ends."""
    starts = list(range(FIRST, END, BLOCK))
    random.shuffle(starts)
    for start in starts:
        claim = socket.socket()
        try:
            claim.bind(("127.0.0.1", start))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return cycle(range(start + 1, start + BLOCK))
    raise RuntimeError(f"no block of ports is free between {FIRST} and {END}: end the tests that run beside these")


_claims: list[socket.socket] = []
"""Keeps the socket open: the claim ends with it."""


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
