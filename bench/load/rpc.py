"""gRPC load at little CPU cost: prepared HTTP/2 frames on one connection, without a client library.

A `grpc.aio` client uses as much CPU time as the server, and would be the bottleneck. Sources: RFC 9113 for frames, and
gRPC's PROTOCOL-HTTP2.md for calls. Headers are sent in full once, and then by their index (RFC 7541), as gRPC's own
clients do.
"""

import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.load.samples import Round

TIMEOUT_SECONDS = 15.0
TIMEOUT = ("grpc-timeout", "2S")
"""Trivet's calls have deadlines, so these have one too."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
LARGEST_WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535
FIRST_DYNAMIC_INDEX = 62
HEAD = struct.Struct(">HBBBL")


@dataclass(frozen=True)
class Rpc:
    """A unary call with a serialized request."""

    address: str
    method: str
    content: bytes
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        fixed = ((":method", "POST"), (":scheme", "http"), (":path", f"/{self.method}"), (":authority", self.address))
        return (*fixed, ("te", "trailers"), ("content-type", "application/grpc"), TIMEOUT, *self.metadata)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return HEAD.pack(len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def _text(value: str) -> bytes:
    """Return a string literal of RFC 7541 (5.2), not compressed."""
    content, rest = value.encode(), len(value) - 127
    if rest < 0:
        return bytes((len(content),)) + content
    length = [127]
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes((*length, rest)) + content


class Calls:
    """A connection that repeats one call."""

    def __init__(self, call: Rpc) -> None:
        host, _, port = call.address.partition(":")
        self._socket = socket.create_connection((host, int(port)), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, LARGEST_WINDOW)
        grown = struct.pack(">I", LARGEST_WINDOW - FIRST_WINDOW)
        self._out = PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, grown)
        # The first call puts each header into the server's table; the last one put there has the lowest index.
        self._fields = b"".join(b"\x40" + _text(name) + _text(value) for name, value in call.headers)
        self._indexed = bytes(0x80 | FIRST_DYNAMIC_INDEX + index for index in reversed(range(len(call.headers))))
        self._message = struct.pack(">BI", 0, len(call.content)) + call.content
        self._window = FIRST_WINDOW
        self._stream = 1
        self._received = b""
        self._answered: set[int] = set()
        """Streams that received a message: a failed call has none."""

    def close(self) -> None:
        self._socket.close()

    def begin(self) -> int:
        """Add a call to the bytes that `flush` sends. Return its stream number."""
        stream, self._stream = self._stream, self._stream + 2
        self._out += frame(HEADERS, END_HEADERS, stream, self._fields) + frame(DATA, END_STREAM, stream, self._message)
        self._fields = self._indexed
        self._window -= len(self._message)
        if self._window < 0:
            raise RuntimeError("the server gave no room for more calls")
        return stream

    def flush(self) -> None:
        if self._out:
            self._socket.sendall(self._out)
            self._out = b""

    def ended(self) -> Iterator[tuple[int, bool]]:
        """Wait for bytes. Yield each call that ended, and whether it has a response."""
        read = self._socket.recv(262_144)
        if not read:
            raise ConnectionError("the server closed the connection")
        received, at = self._received + read, 0
        while len(received) - at >= HEAD.size:
            high, low, kind, flags, stream = HEAD.unpack_from(received, at)
            end = at + HEAD.size + (high << 8 | low)
            if len(received) < end:
                break
            if kind == DATA:
                self._answered.add(stream)
            elif kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM):
                yield stream, stream in self._answered
                self._answered.discard(stream)
            elif stream == 0:
                self._handle_connection_frame(kind, flags, received[at + HEAD.size : end])
            at = end
        self._received = received[at:]

    def _handle_connection_frame(self, kind: int, flags: int, payload: bytes) -> None:
        """Handle a frame of the connection. Acknowledgments are sent with the next calls."""
        if kind == WINDOW_UPDATE:
            self._window += int.from_bytes(payload, "big")
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self._out += frame(kind, ACK, 0, payload if kind == PING else b"")
        elif kind == GOAWAY:
            raise ConnectionError(f"the server went away: {payload[8:]!r}")


async def sustained(call: Rpc, callers: int, seconds: float) -> Round:
    """Call for `seconds`, with `callers` calls in flight at a time. A call without a response is a failure."""
    calls = Calls(call)
    try:
        return _sustain(calls, callers, seconds)
    finally:
        calls.close()


def _sustain(calls: Calls, callers: int, seconds: float) -> Round:
    milliseconds: list[float] = []
    failures = 0
    began = time.perf_counter()
    end = began + seconds
    in_flight = {calls.begin(): began for _ in range(callers)}
    while in_flight:
        calls.flush()
        for stream, is_answered in calls.ended():
            now = time.perf_counter()
            milliseconds.append(1000 * (now - in_flight.pop(stream)))
            failures += not is_answered
            if now < end:
                in_flight[calls.begin()] = now
    return Round(time.perf_counter() - began, milliseconds, failures)
