"""HTTP/1.1 as 200 clients of one process can afford it: bytes over a connection that is kept."""

import asyncio

from tests.harness.clients import another_client

PATIENCE_SECONDS = 5.0
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"

CLIENT = "x-forwarded-for: "

NO_ANSWER = (OSError, TimeoutError, asyncio.IncompleteReadError)
"""What `Wire.ask` raises when nothing came back, or not all of it."""


class Wire:
    """One connection to a gateway, opened when it is needed and again once it has failed."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> asyncio.StreamWriter:
        """Connect, unless it is connected; return what to write to. Raises OSError."""
        if self._writer is None:
            host, _, port = self.address.rpartition(":")
            self._reader, self._writer = await asyncio.open_connection(host, int(port))
        return self._writer

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return its answer's status and body. Raises what NO_ANSWER names.

        A connection that turns out to have been closed while it was idle is replaced, once.
        """
        was_open = self._writer is not None
        try:
            return await self._ask(request)
        except (ConnectionError, asyncio.IncompleteReadError):
            if not was_open:
                raise
        return await self._ask(request)

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                (await self.open()).write(request)
                return await self._answer()
        except NO_ANSWER:
            await self.close()
            raise

    async def _answer(self) -> tuple[int, bytes]:
        assert self._reader is not None
        head = (await self._reader.readuntil(END_OF_HEAD)).lower()
        _, found, rest = head.partition(LENGTH)
        length = int(rest.partition(b"\r\n")[0]) if found else 0
        body = await self._reader.readexactly(length)
        if b"\r\nconnection: close" in head:
            await self.close()
        return int(head[9:12]), body

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None


def request(method: str, path: str, address: str, cookie: str) -> bytes:
    """Return a request with a session's cookie, as a page of the gateway's own origin sends it; a POST has `{}`.

    Each comes from a client of its own, by way of a proxy: the limits are on, and are not what is examined.
    """
    lines = [f"{method} {path} HTTP/1.1", f"host: {address}", f"origin: http://{address}", f"cookie: {cookie}"]
    body = "{}" if method == "POST" else ""
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    lines.append(f"{CLIENT}{another_client()}")
    return "\r\n".join((*lines, "", body)).encode()


def of_any_client(asked: bytes) -> bytes:
    """Return what a request without a body asks for, whoever asks: all that stands before the client."""
    return asked.partition(CLIENT.encode())[0]
