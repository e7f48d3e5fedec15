"""A gRPC server with Trivet's interceptors, health, reflection and graceful shutdown."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

from google.protobuf import descriptor_pool
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc

from runtime.background.tasks import end
from runtime.listening import authority
from runtime.reload import reload_on_sighup
from runtime.rpc import reflection, unimplemented
from runtime.rpc.actor import Verifier
from runtime.rpc.caching.fills import CacheFills
from runtime.rpc.health import STACK, STATUS, STORE, Health, Ping
from runtime.rpc.interceptor_chain import MAX_REQUEST_BYTES, Interceptor, InterceptorChain
from runtime.rpc.interceptors import (
    Authentication,
    Authorization,
    CacheLease,
    Deadlines,
    ErrorStatus,
    RequestDecoding,
    RequiredFields,
    Telemetry,
)
from runtime.rpc.open_calls import SERVICES as OPEN_TO_ALL
from runtime.rpc.open_calls import open_interceptors
from runtime.rpc.policy import Policy
from runtime.rpc.rights import UnknownRpcError, with_rights
from runtime.settings import ServiceSettings, refused
from runtime.telemetry import tracing
from runtime.telemetry.loop_lag import measured_lag
from trivet.client.retry import CALLS

logger = logging.getLogger(__name__)
Servicer = TypeVar("Servicer")

IDENTITY, GZIP = 1 << 0, 1 << 2  # the bits of grpc_compression_algorithm
OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.so_reuseport", 0),
    # Above MAX_REQUEST_BYTES, which is refused in words: gRPC's own refusal says to try again later.
    ("grpc.max_receive_message_length", 4 * MAX_REQUEST_BYTES),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.absolute_max_metadata_size", 8 * 1024),
    # Uncompressed messages and gzip. gRPC stops inflating at the limit above, measured: see docs/decisions/0067.
    ("grpc.compression_enabled_algorithms_bitset", IDENTITY | GZIP),
    # Idle clients ping to keep their connection: grpc-go every 10 s at most, others more often.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_concurrent_streams", 1_000),
)
MAX_CONCURRENT_RPCS = 2_000

QUIET_SECONDS = 0.3
"""How long no call has come in when the server stops accepting calls."""


class Server:
    """One process's gRPC server. `name` is the audience its callers sign for; `ping` raises when the store is gone.

    `fills` writes responses to the cache; without it nothing is written. `not_implemented` are the full names of
    services that this version does not implement: they answer UNIMPLEMENTED to every caller.
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        port: int,
        *,
        policy: Policy,
        ping: Ping,
        fills: CacheFills | None = None,
        not_implemented: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._settings = settings
        self._telemetry = Telemetry(settings.trace_ratio)
        self._interceptors: Sequence[Interceptor] = (
            self._telemetry,
            ErrorStatus(),
            Deadlines(settings.call_limit_seconds),
            Authentication(
                Verifier(
                    name,
                    settings.accept_keys,
                    former=settings.accept_keys_old,
                    people_callers=settings.people_callers,
                )
            ),
            RequestDecoding(),
            Authorization(_granted(policy, settings)),
            RequiredFields(),
            CacheLease(),
            *(() if fills is None else (fills,)),
        )
        for_open_calls = open_interceptors()
        for service in OPEN_TO_ALL:
            _prepare(for_open_calls, service)
        # These answer at once and hold no resources.
        others = dict.fromkeys(OPEN_TO_ALL, for_open_calls) | dict.fromkeys(not_implemented, (ErrorStatus(),))
        self._server = aio.server(
            interceptors=(InterceptorChain(self._interceptors, others=others),),
            options=OPTIONS,
            maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS,
        )
        self._health = Health(ping)
        self._services: list[str] = []
        self._at_drain: list[Callable[[], None]] = []
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in not_implemented:
            unimplemented.serve(service, self._server)
        self.port = self._listen(authority(settings.host, port))

    def _listen(self, address: str) -> int:
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError:  # grpc's own, without a reason
            raise SystemExit(f"trivet: {self._name} cannot listen on {address}: is the port taken?") from None

    def add(self, service: str, register: Callable[[Servicer, aio.Server], None], servicer: Servicer) -> None:
        """Serve one service, by its full name. Raises LookupError for an RPC without a policy row."""
        _prepare(self._interceptors, service)
        register(servicer, self._server)
        self._services.append(service)

    @property
    def _healths(self) -> tuple[str, ...]:
        """The names that health reports: the process, its store, and each service."""
        return ("", STORE, *self._services)

    def at_drain(self, end: Callable[[], None]) -> None:
        """Call `end` when the graceful shutdown begins, to end streams: else they would use all of the grace."""
        self._at_drain.append(end)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then refuse new calls, wait for open calls, and return."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._on_signal, stopping)
        reload_on_sighup(self._settings)
        async with measured_lag(), self.serving():
            await stopping.wait()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve inside the block. At its end health reports NOT_SERVING, and open calls can end within the grace.

        Clients of several replicas watch CALLS and call another one then. So calls are accepted until none comes: gRPC
        cancels a call that reaches a server that stops.
        """
        if self._settings.reflection_on:
            reflection.serve((*self._services, health.SERVICE_NAME), self._server)
        if self._settings.metrics_port:
            tracing.start_metrics(self._settings.host, self._settings.metrics_port)
        for service in self._healths:  # gRPC's initial status is SERVING, before the store was checked
            await self._health.set(service, STATUS[False])
        await self._health.set(CALLS, STATUS[False])
        if self._settings.stack_id:
            await self._health.set(STACK.format(self._settings.stack_id), STATUS[True])
        await self._server.start()
        logger.info("%s listens on %s", self._name, authority(self._settings.host, self.port))
        watching = asyncio.create_task(self._watch_store())
        try:
            yield
        finally:
            await end(watching)
            await self._health.enter_graceful_shutdown()
            left = self._settings.grace_seconds - await self._calls_have_ceased(self._settings.grace_seconds / 2)
            for end_streams in (*self._at_drain, self._health.end_watches):
                end_streams()
            await self._server.stop(left)

    async def _calls_have_ceased(self, limit: float) -> float:
        """Wait until no call has come for QUIET_SECONDS, `limit` seconds at most. Return how long that took.

        It does not wait if no client watches: then none would call another replica.
        """
        began = now = time.perf_counter()
        while (
            self._health.is_watched(CALLS)
            and now - began < limit
            and now - max(began, self._telemetry.last_began) < QUIET_SECONDS
        ):
            await asyncio.sleep(QUIET_SECONDS / 10)
            now = time.perf_counter()
        return now - began

    def _on_signal(self, stopping: asyncio.Event) -> None:
        if stopping.is_set():
            os._exit(1)  # a second signal ends the process without the grace
        stopping.set()

    async def _watch_store(self) -> None:
        """Set the health of every service to that of the store."""
        last: bool | None = None
        while True:
            serves = await self._health.store_serves()
            if serves != last:
                logger.info("%s: its store %s", self._name, "answers" if serves else "does not answer")
                for service in self._healths:
                    await self._health.set(service, STATUS[serves])
                if serves:  # from then on the calls themselves report that the store is down
                    await self._health.set(CALLS, STATUS[True])
                last = serves
            await asyncio.sleep(1.0 if serves else 0.25)


def _granted(policy: Policy, settings: ServiceSettings) -> Policy:
    try:
        return with_rights(policy, settings.program_rights)
    except UnknownRpcError as error:
        raise refused([f"TRIVET_PROGRAM_RIGHTS: {error}"]) from None


def _prepare(interceptors: Sequence[Interceptor], service: str) -> None:
    """Prepare the interceptors for every RPC of a service, by its full name."""
    for method in descriptor_pool.Default().FindServiceByName(service).methods:
        for interceptor in interceptors:
            interceptor.prepare(f"{service}/{method.name}", method)
