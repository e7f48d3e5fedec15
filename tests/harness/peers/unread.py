"""A client that sends and never reads."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.harness.waiting import until

RECEIVED_BYTES = 4_096


class NeverReads:
    """A connection whose answers stay unread; the kernel holds a few kilobytes of them here."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._is_ended = False

    def send(self, content: bytes) -> None:
        """Send as much as the other side takes now."""
        try:
            self._connection.send(content)
        except BlockingIOError:
            pass
        except OSError:
            self._is_ended = True

    def is_ended(self) -> bool:
        """Whether the other side has given the connection up: it says so only to one that sends."""
        self.send(b"x")
        return self._is_ended

    async def ended(self, *, within: float) -> float:
        """Wait until the other side has given the connection up; return how long that took."""
        return await until(self.is_ended, within)


@asynccontextmanager
async def never_reading(port: int) -> AsyncIterator[NeverReads]:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        yield NeverReads(connection)
