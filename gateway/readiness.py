"""Readiness: whether the gateway can verify sessions, and which services fail."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from prometheus_client import Gauge

from gateway.backends import Backends
from trivet.cache.v1.cache_pb2 import GetRequest
from trivet.client import reason_of
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest
from trivet.notifications.v1.log_service_pb2 import WriteLogsRequest

PROBE_SECONDS = 1.5
SHARED_SECONDS = 1.0
CHECK = "/grpc.health.v1.Health/Check"
UNKNOWN = "-"
"""A text that is no token, so it opens no session."""

part_up = Gauge(
    "trivet_gateway_part_up", "1 if a service, or its store, answered the last probe of /readyz.", ["service", "part"]
)
probe_seconds = Gauge("trivet_gateway_probe_seconds", "How long the last probe of a service took.", ["service"])


@dataclass(frozen=True, slots=True)
class Part:
    """The result of a probe. A service is up if it answers the gateway."""

    is_up: bool
    store_is_up: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a round of probes. `degraded` names the services that fail or lack their store."""

    is_able: bool
    degraded: tuple[str, ...]


class Readiness:
    """Probes the services concurrently. Requests within SHARED_SECONDS share one result."""

    def __init__(self, backends: Backends, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._backends = backends
        self._monotonic = monotonic
        self._probing: asyncio.Task[Report] | None = None
        self._ended_at = 0.0

    async def report(self) -> Report:
        """Return the shared result, from a new round of probes if the last is older than SHARED_SECONDS."""
        if self._probing is None or (self._probing.done() and self._monotonic() - self._ended_at >= SHARED_SECONDS):
            self._probing = asyncio.create_task(self._probe())
        # The request that began the round can be cancelled. Others still wait for the round.
        return await asyncio.shield(self._probing)

    async def _probe(self) -> Report:
        try:
            others = [name for name in self._backends.channels if name != "identity"]
            identity, *rest = await asyncio.gather(self._identity(), *map(self._service, others))
        finally:
            self._ended_at = self._monotonic()
        parts: Mapping[str, Part] = {"identity": identity, **dict(zip(others, rest, strict=True))}
        for name, part in parts.items():
            part_up.labels(name, "service").set(part.is_up)
            part_up.labels(name, "store").set(part.store_is_up)
        able = {name for name, part in parts.items() if part.is_up and part.store_is_up}
        return Report("identity" in able, tuple(name for name in parts if name not in able))

    async def _identity(self) -> Part:
        """Verify a session as a request does. That needs a valid signature, identity and its database."""
        began = time.perf_counter()
        try:
            await self._backends.sessions.VerifySession(VerifySessionRequest(token=UNKNOWN), timeout=PROBE_SECONDS)
        except grpc.aio.AioRpcError as error:
            # Only the service itself writes a reason, so it is up even if its store is not.
            return Part(reason_of(error) != "", error.code() is grpc.StatusCode.NOT_FOUND)
        finally:
            probe_seconds.labels("identity").set(time.perf_counter() - began)
        return Part(True, True)

    async def _service(self, name: str) -> Part:
        """Ask a service for its store, and whether it accepts our signature. A service of another stack does not."""
        part, is_ours = await asyncio.gather(self._health(name), self._accepts_our_calls(name))
        return Part(part.is_up and is_ours, part.store_is_up)

    async def _accepts_our_calls(self, name: str) -> bool:
        """Make an empty signed call. A service that accepts the signature finds nothing or an invalid argument."""
        try:
            if name == "cache":
                await self._backends.cache.Get(GetRequest(namespace="sessions", key=UNKNOWN), timeout=PROBE_SECONDS)
            else:
                await self._backends.logs.WriteLogs(WriteLogsRequest(), timeout=PROBE_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.INVALID_ARGUMENT
        return True

    async def _health(self, name: str) -> Part:
        began = time.perf_counter()
        check = self._backends.channels[name].unary_unary(
            CHECK, HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
        )
        try:
            answer = await check(HealthCheckRequest(service="store"), timeout=PROBE_SECONDS)
        except grpc.aio.AioRpcError:
            return Part(False, False)
        finally:
            probe_seconds.labels(name).set(time.perf_counter() - began)
        return Part(True, answer.status == HealthCheckResponse.SERVING)
