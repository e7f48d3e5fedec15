"""The standard health service, with names for the store, for calls and for the stack."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from grpc_health.v1 import health, health_pb2
from prometheus_client import Gauge

from runtime.background.tasks import end, is_asked_to_end
from runtime.errors import NotFound
from trivet.client.retry import CALLS

STORE = "store"
STORE_CHECK_SECONDS = 1.4
STACK = "stack/{}"
"""A health name that all services of one stack answer. It proves to a command which stack it has reached."""

clients = Gauge(
    "trivet_rpc_clients", "Clients of several replicas that are connected to this one, and call it unless it drains."
)
STATUS = {True: health_pb2.HealthCheckResponse.SERVING, False: health_pb2.HealthCheckResponse.NOT_SERVING}

Ping = Callable[[], Awaitable[None]]


class Health(health.aio.HealthServicer):
    """The standard health service. `Check` of the name `store` asks the store itself; `Watch` reports what is known."""

    _server_status: MutableMapping[str, int]  # the published types leave these out
    _server_watchers: MutableMapping[str, asyncio.Condition]

    def __init__(self, ping: Ping) -> None:
        super().__init__()
        self._ping = ping
        self._ended = asyncio.Event()

    async def store_serves(self) -> bool:
        """Whether the store answers now, within the time a probe has."""
        try:
            async with asyncio.timeout(STORE_CHECK_SECONDS):
                await self._ping()
        except asyncio.CancelledError:
            if is_asked_to_end():
                raise
            return False  # a task of the driver was cancelled
        except Exception:  # any driver error: the store is not available
            return False
        return True

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's name
        if request.service == STORE:
            return health_pb2.HealthCheckResponse(status=STATUS[await self.store_serves()])
        if request.service not in self._server_status:
            raise NotFound("UNKNOWN_SERVICE", "this service is not served here")
        return await super().Check(request, context)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802  # the proto's name
        """Report the changes until `end_watches`: an open watch would use all of the grace."""
        watching = asyncio.create_task(super().Watch(request, context))
        ended = asyncio.create_task(self._ended.wait())
        is_client = request.service == CALLS
        clients.inc(is_client)
        try:
            await asyncio.wait((watching, ended), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                await watching
        finally:
            clients.dec(is_client)
            await end(ended)
            await end(watching)

    def is_watched(self, name: str) -> bool:
        """Whether a client watches a name."""
        return name in self._server_watchers

    def end_watches(self) -> None:
        """End the open watches, and those that begin."""
        self._ended.set()

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's name
        each = {name: health_pb2.HealthCheckResponse(status=status) for name, status in self._server_status.items()}
        return health_pb2.HealthListResponse(statuses=each)  # type: ignore[attr-defined]  # newer than its types
