"""Granian in this process's own loop, as the gateway serves by it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr
from starlette.types import ASGIApp

from gateway.server.granian_version import NOTHING_FAST, FastHandlers
from gateway.server.serve import ClosableApp, GranianServer
from gateway.server.sockets import bound
from gateway.settings import GatewaySettings
from tests.api.gateway.wire import connection

SETTINGS = GatewaySettings(http_port=0, secret=SecretStr("a secret that signs nothing here"))


class Serving:
    """A server in this loop, and the port it is on."""

    def __init__(
        self,
        listener: socket.socket,
        app: ASGIApp,
        fast: FastHandlers,
        settings: GatewaySettings = SETTINGS,
    ) -> None:
        self.closable = ClosableApp(app, fast)
        listener.listen()
        self.port: int = listener.getsockname()[1]
        self.server = GranianServer(self.closable, listener, settings)
        self.task = asyncio.create_task(self.server.serve())

    async def is_refused(self) -> bool:
        try:
            async with connection(self.port):
                return False
        except OSError:
            return True


@asynccontextmanager
async def serving(
    app: ASGIApp, fast: FastHandlers = NOTHING_FAST, settings: GatewaySettings = SETTINGS
) -> AsyncIterator[Serving]:
    """Serve inside."""
    with bound(settings, shares_port=True) as listener:
        running = Serving(listener, app, fast, settings)
        try:
            yield running
        finally:
            running.server.stop()  # type: ignore[no-untyped-call]  # granian's own
            await asyncio.wait_for(running.task, 10)
