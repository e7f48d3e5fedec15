"""HTTP/1.1 load on keep-alive connections: at a fixed rate, all at once, or one after the other."""

import asyncio
import time
from dataclasses import dataclass, replace

from bench.load.samples import Round


@dataclass(frozen=True)
class Request:
    """A complete request in bytes, its address, and the bytes that a correct answer contains."""

    host: str
    port: int
    content: bytes
    expects: bytes = b""


def request(
    port: int, method: str, path: str, headers: dict[str, str], body: bytes = b"", *, expects: bytes = b""
) -> Request:
    """Return a request to this machine."""
    lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{port}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return Request("127.0.0.1", port, "\r\n".join((*lines, "", "")).encode() + body, expects)


ADDRESSES = 4_000
"""The number of client addresses of a load. Each stays far below its rate limit."""


def from_address(asked: Request, number: int) -> Request:
    """Return the request with the address of client `number`, as a trusted proxy forwards it."""
    head, end, body = asked.content.partition(b"\r\n\r\n")
    address = b"10.%d.%d.%d" % (number >> 16 & 255, number >> 8 & 255, number & 255)
    return replace(asked, content=head + b"\r\nx-forwarded-for: " + address + end + body)


def spread(asked: Request) -> list[Request]:
    """Return the request once for each client address."""
    return [from_address(asked, number) for number in range(ADDRESSES)]


class Connection:
    """A keep-alive connection that has one request in flight."""

    def __init__(self, to: Request) -> None:
        self._to = to

    async def __aenter__(self) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection(self._to.host, self._to.port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._writer.close()

    async def send(self, content: bytes) -> tuple[int, bytes]:
        """Return the status and the body of the answer."""
        self._writer.write(content)
        head = await self._reader.readuntil(b"\r\n\r\n")
        headers = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:-2])
        if headers.get(b"transfer-encoding", b"").strip() == b"chunked":
            return int(head[9:12]), await self._chunks()
        return int(head[9:12]), await self._reader.readexactly(int(headers.get(b"content-length", 0)))

    async def _chunks(self) -> bytes:
        """Read a chunked body. The last chunk is empty, and no trailers follow it."""
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return body


async def steady(to: Request, connections: int, seconds: float, rate: float) -> Round:
    """Send `rate` requests a second, even if answers are late. Latency counts from the planned time."""
    milliseconds: list[float] = []
    failures = 0
    start = time.perf_counter()

    async def worker(number: int) -> None:
        nonlocal failures
        due = start + number / rate
        async with Connection(to) as connection:
            while due < start + seconds:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                status, _ = await connection.send(to.content)
                milliseconds.append(1000 * (time.perf_counter() - due))
                failures += status != 200
                due += connections / rate

    await asyncio.gather(*(worker(number) for number in range(connections)))
    return Round(time.perf_counter() - start, milliseconds, failures)


async def burst(requests: list[Request]) -> list[tuple[int, float]]:
    """Send all requests at once, each on its own open connection. Return each status and its milliseconds."""
    connections = [await Connection(each).__aenter__() for each in requests]

    async def once(connection: Connection, content: bytes) -> tuple[int, float]:
        began = time.perf_counter()
        status, _ = await connection.send(content)
        return status, 1000 * (time.perf_counter() - began)

    try:
        return list(await asyncio.gather(*(once(c, r.content) for c, r in zip(connections, requests, strict=True))))
    finally:
        for connection in connections:
            await connection.__aexit__()


async def in_turn(requests: list[Request], times: int) -> list[list[float]]:
    """Send the requests one after the other, `times` times. Return the milliseconds by request."""
    milliseconds: list[list[float]] = [[] for _ in requests]
    async with Connection(requests[0]) as connection:
        for _ in range(times):
            for number, each in enumerate(requests):
                began = time.perf_counter()
                await connection.send(each.content)
                milliseconds[number].append(1000 * (time.perf_counter() - began))
    return milliseconds
