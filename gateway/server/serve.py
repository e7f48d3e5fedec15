"""Serves an application with granian on this process's event loop, and shuts down gracefully."""

import asyncio
import logging
import os
import select
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import AsyncWorker, Server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.server.granian_version import NOTHING_FAST, FastHandlers, supports_off_loop
from gateway.server.rlimit import most_connections
from gateway.server.sockets import BACKLOG, GRACE_SECONDS, LINGER_SECONDS, bound
from gateway.settings import GatewaySettings
from runtime import failpoints
from runtime.listening import authority

logger = logging.getLogger(__name__)

MAX_HEADER_BYTES = 32 * 1_024
BACKLOG_POLL_SECONDS = 0.001
MAX_BACKLOG_POLLS = 200


class GranianServer(Server):
    """Granian's server on our own socket. Granian's own cannot stop accepting before it closes open connections."""

    def __init__(self, closable: "ClosableApp", listener: socket.socket, settings: GatewaySettings) -> None:
        # HTTP/1.1 only. A connection with late headers is closed. The backpressure bounds open connections, idle ones
        # too. Requests are bounded in middleware/admission.py.
        super().__init__(
            closable,
            interface=Interfaces.ASGINL,
            runtime_threads=1,  # one thread reads requests, so answers off the loop are counted without locks
            http=HTTPModes.http1,
            websockets=False,
            backpressure=most_connections(),
            http1_settings=HTTP1Settings(
                header_read_timeout=settings.header_seconds * 1_000, max_buffer_size=MAX_HEADER_BYTES
            ),
            log_level=LogLevels.error,
            log_dictconfig={"handlers": {}, "formatters": {}, "loggers": {"_granian": {"propagate": True}}},
        )
        self._closable = closable
        self._listener = listener
        self._accepting = os.dup(listener.fileno())

    def _init_shared_socket(self) -> None:
        self._ssp, self._shd = None, SocketHolder(self._accepting, False, BACKLOG)  # type: ignore[call-arg, assignment]  # its types lag behind

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> AsyncWorker:  # type: ignore[override]  # as granian's own
        if not supports_off_loop():
            return super()._spawn_worker(idx, target, callback_loader)
        from gateway.server.granian_worker import work  # only here: another granian can lack what it imports

        async def working(worker_id: int, stop: Any, app: ASGIApp, *rest: Any) -> None:
            await work(app, FastHandlers(self._closable.off_loop, self._closable.batched), worker_id, stop, *rest)

        return super()._spawn_worker(idx, AsyncWorker.wrap_target(working), callback_loader)  # type: ignore[no-untyped-call]  # granian's

    async def accept_no_more(self) -> None:
        """Stop accepting, and go on serving the open connections: an unreachable socket replaces the listener.

        It waits for a moment in which no connection waits to be accepted: such a connection would be lost.
        """
        self._listener.close()  # `_accepting` is the same socket
        waiting = select.poll()
        waiting.register(self._accepting, select.POLLIN)
        with socket.socket() as unreachable:
            for _ in range(MAX_BACKLOG_POLLS):
                if not waiting.poll(0):
                    break
                await asyncio.sleep(BACKLOG_POLL_SECONDS)
            # The next statement after the poll closes the listener: a connection in between would be lost.
            os.dup2(unreachable.fileno(), self._accepting, inheritable=False)


class ClosableApp:
    """The application. After `close_connections`, each answer closes its connection.

    A client that gets `Connection: close` opens its next connection elsewhere. A client whose connection is cut can
    lose a request.
    """

    def __init__(self, app: ASGIApp, fast: FastHandlers = NOTHING_FAST) -> None:
        self._app = app
        self._fast = fast

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._app(scope, receive, send)

    def off_loop(self, scope: Scope) -> tuple[Message, Message] | None:
        """Return the answer of the fast path, if it has one. Called on any thread."""
        return self._fast.off_loop(scope) if self._fast.off_loop else None

    def batched(self, scope: Scope, then: Callable[[tuple[Message, Message] | None], None]) -> bool:
        """Have the fast path answer later, if it takes the request."""
        return self._fast.batched(scope, then) if self._fast.batched else False

    def close_connections(self) -> None:
        app, self._fast = self._app, NOTHING_FAST

        async def closing(scope: Scope, receive: Receive, send: Send) -> None:
            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
                await send(message)

            await app(scope, receive, answer)

        self._app = closing


class _Signals:
    """The signals that came. `stopping` is set by SIGTERM, and by SIGINT if this process has no supervisor."""

    def __init__(self, draining: asyncio.Event, *, shares_port: bool) -> None:
        self.stopping = asyncio.Event()
        self.has_announced = False
        self._draining = draining
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        if shares_port:
            loop.add_signal_handler(signal.SIGUSR1, self._announce)
        else:
            loop.add_signal_handler(signal.SIGINT, self._stop)

    def _announce(self) -> None:
        self.has_announced = True
        self._draining.set()

    def _stop(self) -> None:
        if self.stopping.is_set():
            os._exit(1)
        self._draining.set()
        self.stopping.set()


async def serve(
    app: ASGIApp,
    settings: GatewaySettings,
    draining: asyncio.Event,
    *,
    shares_port: bool,
    fast: FastHandlers = NOTHING_FAST,
) -> None:
    """Serve until SIGTERM or SIGINT. Then accept nothing new, finish the requests in flight, and return.

    `fast` is asked before the application. At the end `draining` is set first, so that readiness fails for
    `drain_seconds`. A supervisor sets it in all workers beforehand by SIGUSR1. A second signal ends the process at
    once. Raises SystemExit, with one line that says why, if the address cannot be listened on.
    """
    signals, closable = _Signals(draining, shares_port=shares_port), ClosableApp(app, fast)
    with bound(settings, shares_port=shares_port) as listener:
        listener.listen(BACKLOG)
        server = GranianServer(closable, listener, settings)
        serving, stopped = asyncio.create_task(server.serve()), asyncio.create_task(signals.stopping.wait())
        logger.info("gateway listens on http://%s", authority(settings.host, settings.http_port))
        await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not signals.stopping.is_set():
            stopped.cancel()
            raise SystemExit(f"trivet: the gateway stopped: {_why(serving)}")
        closable.close_connections()
        if not signals.has_announced:
            await asyncio.sleep(settings.drain_seconds)
        if not failpoints.is_on("gateway.no_hand_over"):
            await server.accept_no_more()
            await asyncio.sleep(LINGER_SECONDS)
        server.stop()  # type: ignore[no-untyped-call]  # granian's own
        await asyncio.wait((serving,), timeout=GRACE_SECONDS - LINGER_SECONDS)


def _why(ended: asyncio.Task[None]) -> str:
    """Return the first line of a server's failure. The rest is a stack trace of Rust."""
    return next(iter(str(ended.exception() or "").splitlines()), "granian ended without an error")
