"""The link between a worker and its supervisor: a socket, which is the worker's standard input.

A worker reports once that identity is connected. When all workers have reported, the supervisor tells each of them.
Until then `/readyz` fails in all: a load balancer asks one worker, and its next request can reach another.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import time

CONNECTED, ALL_CONNECTED = b"c", b"a"


class Startup:
    """The supervisor's end. `is_over` is set when every worker has reported once; a restart does not reset it."""

    def __init__(self, workers: int) -> None:
        self._missing = set(range(workers))
        self.is_over = asyncio.Event()

    async def follow(self, place: int, link: socket.socket) -> None:
        """Wait for the report of a worker, and tell it when all have reported. Then hold the link, and close it."""
        reader, writer = await asyncio.open_connection(sock=link)
        with contextlib.closing(writer), contextlib.suppress(OSError):  # an OSError: the worker has ended
            if await reader.read(1) == CONNECTED:
                self._missing.discard(place)
                if not self._missing:
                    self.is_over.set()
                await self.is_over.wait()
                writer.write(ALL_CONNECTED)
            await reader.read()


class SupervisorLink:
    """The worker's end. When the link ends, the supervisor is dead, and no other process would stop this one."""

    def __init__(self) -> None:
        self._all_connected = threading.Event()

    @property
    def is_starting(self) -> bool:
        """Whether a worker has not reached identity since the start of the supervisor."""
        return not self._all_connected.is_set()

    def report_connected(self) -> None:
        """Tell the supervisor that identity is connected."""
        with contextlib.suppress(OSError):  # the supervisor is dead, and `_watch` ends this process
            os.write(sys.stdin.fileno(), CONNECTED)

    def watch(self, seconds: float) -> None:
        """Read the link in a thread. At its end stop the process by SIGTERM, and after `seconds` by force.

        An event loop that hangs handles no signal.
        """
        threading.Thread(target=self._watch, args=(seconds,), daemon=True).start()

    def _watch(self, seconds: float) -> None:
        while os.read(sys.stdin.fileno(), 1):
            self._all_connected.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds)
        os._exit(1)
