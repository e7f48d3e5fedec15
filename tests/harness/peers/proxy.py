"""A TCP link on loopback that a test can freeze, cut and reset, and lead to another server."""

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65_536
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST and drops what was not sent."""


class Proxy:
    """Passes bytes both ways between whoever connects to `address` and the server at `target`.

    `target` (HOST:PORT) may be set anew: it is where connections lead that are made from then on.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._port = 0
        self._passes = asyncio.Event()
        self._passes.set()
        self._is_cut = False
        self._let_through = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def freeze(self) -> None:
        """Hold every byte, and the ends of connections, until `thaw`: nothing is lost and nobody is told."""
        self._passes.clear()

    def thaw(self) -> None:
        """Pass on what was held, and all that comes."""
        self._passes.set()

    def cut(self) -> None:
        """Reset what is open, and every new connection at once, until `restore`."""
        self._is_cut = True
        self.reset()

    def let_one_through(self) -> None:
        """Let the next connection be made, and no other until `restore`."""
        self._let_through += 1

    def restore(self) -> None:
        """Let connections be made again."""
        self._is_cut = False

    def reset(self) -> None:
        """Reset what is open; what was held is lost. New connections pass."""
        for writer in list(self._open):
            _reset(writer)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut and not self._let_through:
            _reset(writer)
            return
        self._let_through = max(0, self._let_through - 1)
        task = asyncio.create_task(self._link(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            host, _, port = self.target.rpartition(":")
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            ends.append(far_writer)
            self._open.update(ends)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, far_writer))
                pumps.create_task(self._pump(far_reader, writer))
        except* OSError:  # one of the two is gone, and so is the link
            for end in ends:
                _reset(end)
        finally:
            self._open.difference_update(ends)
            for end in ends:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._passes.wait()
            writer.write(data)
            await writer.drain()
        await self._passes.wait()
        if writer.can_write_eof():
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it may be closed already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    writer.transport.abort()
