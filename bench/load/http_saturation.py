"""HTTP/1.1 load that costs its maker little: one thread that waits on epoll alone and sends bytes that are ready."""

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
    """One connection, and the request that is under way on it."""

    __slots__ = ("asked", "began", "received", "socket")

    def __init__(self, to: Request) -> None:
        self.socket = socket.create_connection((to.host, to.port), TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.began, self.received, self.asked = 0.0, b"", to

    def send(self, asked: Request) -> None:
        self.asked, self.received = asked, b""
        self.began = time.perf_counter()
        self.socket.send(asked.content)  # some hundred bytes: the socket's buffer takes them whole

    def is_answered(self) -> bool:
        """Read what has come; return whether that is a whole answer. Raises ConnectionError if the server hung up."""
        read = self.socket.recv(65_536)
        if not read:
            raise ConnectionError("the server closed a connection that was to be kept")
        self.received = received = self.received + read if self.received else read
        head = received.find(b"\r\n\r\n")
        if head < 0:
            return False
        if length := LENGTH.search(received, 0, head):
            return len(received) >= head + 4 + int(length[1])
        return received.endswith(LAST_CHUNK)

    @property
    def is_good(self) -> bool:
        """Whether the answer is a 200 with what was asked for in it."""
        return self.received[9:12] == b"200" and self.asked.expects in self.received


async def sustained(asked: Request | Sequence[Request], connections: int, seconds: float) -> Round:
    """Send as fast as answers come, on so many connections, for so long; several requests are sent in rotation."""
    requests = [asked] if isinstance(asked, Request) else list(asked)
    return _saturate(itertools.cycle(requests), requests[0], connections, seconds)


async def each_once(requests: Sequence[Request], connections: int, seconds: float) -> Round:
    """Send each request once, as fast as answers come, for so long at most."""
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
        under_way = 0
        for each, first in zip(exchanges, itertools.islice(requests, len(exchanges)), strict=False):
            ready.register(each.socket, select.EPOLLIN)
            each.send(first)
            under_way += 1
        while under_way:
            if not (events := ready.poll(TIMEOUT_SECONDS)):
                raise TimeoutError(f"{under_way} requests were not answered in {TIMEOUT_SECONDS:.0f} s")
            for number, _ in events:
                exchange = by_socket[number]
                if not exchange.is_answered():
                    continue
                now = time.perf_counter()
                milliseconds.append(1000 * (now - exchange.began))
                failures += not exchange.is_good
                following = next(requests, None) if now < end else None
                if following is None:
                    under_way -= 1
                else:
                    exchange.send(following)
        return Round(time.perf_counter() - began, milliseconds, failures)
