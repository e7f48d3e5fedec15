"""HTTP/1.1 load at little CPU cost: one thread waits on epoll and sends prepared bytes."""

import itertools
import re
import select
import socket
import time
from collections.abc import Iterator, Sequence

from bench.load.http import Request
from bench.load.samples import Round

TIMEOUT_SECONDS = 15.0
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LAST_CHUNK = b"0\r\n\r\n"


class Exchange:
    """A connection and its request in flight."""

    __slots__ = ("asked", "began", "received", "socket")

    def __init__(self, to: Request) -> None:
        self.socket = socket.create_connection((to.host, to.port), TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.began, self.received, self.asked = 0.0, b"", to

    def send(self, asked: Request) -> None:
        self.asked, self.received = asked, b""
        self.began = time.perf_counter()
        self.socket.send(asked.content)  # some hundred bytes fit into the socket's buffer

    def is_answered(self) -> bool:
        """Read available bytes. Return whether the answer is complete. Raises ConnectionError if the server closed."""
        read = self.socket.recv(65_536)
        if not read:
            raise ConnectionError("the server closed a keep-alive connection")
        self.received = received = self.received + read if self.received else read
        head = received.find(b"\r\n\r\n")
        if head < 0:
            return False
        if length := LENGTH.search(received, 0, head):
            return len(received) >= head + 4 + int(length[1])
        return received.endswith(LAST_CHUNK)

    @property
    def is_good(self) -> bool:
        """Whether the answer is a 200 with the expected bytes."""
        return self.received[9:12] == b"200" and self.asked.expects in self.received


async def sustained(asked: Request | Sequence[Request], connections: int, seconds: float) -> Round:
    """Send on `connections` for `seconds`, the next request after each answer. Several requests rotate."""
    requests = [asked] if isinstance(asked, Request) else list(asked)
    return _saturate(itertools.cycle(requests), requests[0], connections, seconds)


async def each_once(requests: Sequence[Request], connections: int, seconds: float) -> Round:
    """Send each request once, the next one after each answer, for at most `seconds`."""
    return _saturate(iter(requests), requests[0], connections, seconds)


def _saturate(requests: Iterator[Request], to: Request, connections: int, seconds: float) -> Round:
    exchanges = [Exchange(to) for _ in range(connections)]
    try:
        return _exchange(exchanges, requests, seconds)
    finally:
        for each in exchanges:
            each.socket.close()


def _exchange(exchanges: Sequence[Exchange], requests: Iterator[Request], seconds: float) -> Round:
    milliseconds: list[float] = []
    failures = 0
    with select.epoll() as ready:
        by_socket = {each.socket.fileno(): each for each in exchanges}
        began = time.perf_counter()
        end = began + seconds
        in_flight = 0
        for each, first in zip(exchanges, itertools.islice(requests, len(exchanges)), strict=False):
            ready.register(each.socket, select.EPOLLIN)
            each.send(first)
            in_flight += 1
        while in_flight:
            if not (events := ready.poll(TIMEOUT_SECONDS)):
                raise TimeoutError(f"{in_flight} requests were not answered in {TIMEOUT_SECONDS:.0f} s")
            for number, _ in events:
                exchange = by_socket[number]
                if not exchange.is_answered():
                    continue
                now = time.perf_counter()
                milliseconds.append(1000 * (now - exchange.began))
                failures += not exchange.is_good
                following = next(requests, None) if now < end else None
                if following is None:
                    in_flight -= 1
                else:
                    exchange.send(following)
        return Round(time.perf_counter() - began, milliseconds, failures)
