"""Bytes on a socket: what no well-behaved HTTP client would send."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

READ_SECONDS = 20


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def head(method: str, path: str, *headers: str) -> bytes:
    """Return a request's first lines up to the empty one."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: trivet", *headers, "", ""]).encode("latin-1")


async def status(reader: asyncio.StreamReader) -> int:
    """Return the status of the answer; 0 if the connection is closed without one."""
    async with asyncio.timeout(READ_SECONDS):
        line = await reader.readline()
    return int(line.split()[1]) if line else 0


async def talk(port: int, pieces: Iterable[bytes]) -> int:
    """Send the pieces until an answer comes or the connection breaks; return the answer's status."""
    async with connection(port) as (reader, writer):
        answer = asyncio.create_task(status(reader))
        with suppress(OSError):
            for piece in pieces:
                if answer.done():
                    break
                writer.write(piece)
                await writer.drain()
        try:
            return await answer
        except ConnectionError:
            return 0
