"""Serves an application by granian in this process's own loop, and ends it gracefully."""

import asyncio
import logging
import os
import signal
import socket

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp

from gateway.open_files import most_connections
from gateway.settings import GatewaySettings

logger = logging.getLogger(__name__)

MAX_HEADER_BYTES = 32 * 1_024
BACKLOG = 4_096
GRACE_SECONDS = 3.5


def granian(app: ASGIApp, settings: GatewaySettings) -> Server:
    """Return a server for HTTP/1.1 only, which closes a connection whose headers do not come in time.

    Its backpressure bounds open connections, idle ones too: requests are bounded in middleware/admission.py.
    """
    return Server(
        app,
        address=settings.host,
        port=settings.http_port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=most_connections(),
        http1_settings=HTTP1Settings(
            header_read_timeout=settings.header_seconds * 1_000, max_buffer_size=MAX_HEADER_BYTES
        ),
        log_level=LogLevels.error,
        log_dictconfig={"handlers": {}, "formatters": {}, "loggers": {"_granian": {"propagate": True}}},
    )


def refuse_taken(settings: GatewaySettings) -> None:
    """Raise SystemExit, with one line, if somebody listens already: granian would share the port with them."""
    family, _, _, _, address = socket.getaddrinfo(settings.host, settings.http_port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise SystemExit(_cannot_listen(settings, error.strerror or "")) from None


def _cannot_listen(settings: GatewaySettings, why: str) -> str:
    return f"trivet: the gateway cannot listen on http://{settings.host}:{settings.http_port}: {why}"


async def serve(app: ASGIApp, settings: GatewaySettings, draining: asyncio.Event) -> None:
    """Serve until SIGTERM or SIGINT; then accept nothing new, let what is under way end, and return.

    Sets `draining` first, so that readiness fails, for as long as the settings say. A second signal ends the process
    at once. Raises SystemExit, with one line that says why, if the address cannot be listened on.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stopping.is_set():
            os._exit(1)
        draining.set()
        stopping.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, on_signal)
    refuse_taken(settings)
    server, address = granian(app, settings), f"http://{settings.host}:{settings.http_port}"
    server.on_startup(lambda: logger.info("gateway listens on %s", address))
    serving, stopped = asyncio.create_task(server.serve()), asyncio.create_task(stopping.wait())
    await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not stopping.is_set():
        stopped.cancel()
        raise SystemExit(_cannot_listen(settings, _why(serving)))
    await asyncio.sleep(settings.drain_seconds)
    server.stop()  # type: ignore[no-untyped-call]  # granian's own
    await asyncio.wait((serving,), timeout=GRACE_SECONDS)


def _why(ended: asyncio.Task[None]) -> str:
    """Return the first line of what ended a server; the rest is a stack of Rust's."""
    return next(iter(str(ended.exception() or "").splitlines()), "it ended by itself")
