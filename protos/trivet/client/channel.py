"""A channel whose calls carry an actor and a trace context. Unary calls also have a deadline."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

import grpc
from grpc import aio
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from trivet.client.actor import METADATA_KEY, Signer
from trivet.client.deadline import lengthen, remaining, within
from trivet.client.methods import declared_deadline, methods
from trivet.client.retry import service_config

DEFAULT_TIMEOUT_SECONDS = 2.0
OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
)

# Only the trace context: baggage comes from outside, and can grow until the metadata is too large.
PROPAGATOR = TraceContextTextMapPropagator()

Serializer = Callable[[Any], bytes]
Deserializer = Callable[[bytes], Any]


def connect(
    target: str,
    audience: str,
    sign: Signer,
    *,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
    credentials: grpc.ChannelCredentials | None = None,
    lengthens: bool = False,
) -> "Channel":
    """Open a channel to the process `audience` at `target` (HOST:PORT). It connects in the background and reconnects.

    A target such as `dns:///HOST:PORT` or `ipv4:HOST:PORT,HOST:PORT` can name several replicas, which are called in
    turn.

    The deadline of a call is the one that the .proto declares for its RPC, else `timeout` seconds. It never exceeds
    the current deadline (`within`). With `lengthens`, an RPC that declares a deadline gets all of that time, and the
    current deadline moves later by the time that the call took. Close the channel, or use it as an async context
    manager.
    """
    return Channel.open(target, audience, sign, timeout=timeout, credentials=credentials, lengthens=lengthens)


class Channel(aio.Channel):
    """The channel that generated stubs are made with."""

    def __init__(
        self, inner: aio.Channel, audience: str, sign: Signer, timeout: float, *, lengthens: bool = False
    ) -> None:
        self._inner = inner
        self._audience = audience
        self._sign = sign
        self._timeout = timeout
        self._lengthens = lengthens
        self._declared = {
            f"/{method.containing_service.full_name}/{method.name}": seconds
            for method in methods(audience)
            if (seconds := declared_deadline(method)) is not None
        }

    @classmethod
    def open(
        cls,
        target: str,
        audience: str,
        sign: Signer,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: grpc.ChannelCredentials | None = None,
        lengthens: bool = False,
    ) -> Self:
        """Open a channel, see `connect`."""
        options = (*OPTIONS, ("grpc.service_config", service_config(audience, target)))
        if credentials is None:
            inner = aio.insecure_channel(target, options=options)
        else:
            inner = aio.secure_channel(target, credentials, options=options)
        return cls(inner, audience, sign, timeout, lengthens=lengthens)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._inner.channel_ready()

    def metadata(self, extra: Sequence[tuple[str, str]] = ()) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a call: the actor, the trace context, and `extra`.

        An unsampled trace context is sent too. Without it the service would make its own sampling decision.
        """
        actor = (METADATA_KEY, self._sign(self._audience))
        if trace.get_current_span() is trace.INVALID_SPAN:
            return (actor, *extra)
        carrier: dict[str, str] = {}
        PROPAGATOR.inject(carrier)
        return (actor, *carrier.items(), *extra)

    def unary_unary(  # type: ignore[override]  # the generated stubs pass these by keyword
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> "UnaryUnary":
        inner = self._inner.unary_unary(method, request_serializer, response_deserializer, _registered_method)  # type: ignore[call-arg]  # missing in the published types
        declared = self._declared.get(method)
        if declared is not None and self._lengthens:
            return Lengthening(self, method, inner, declared)
        return UnaryUnary(self, method, inner, self._timeout if declared is None else declared)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._stream(self._inner.unary_stream(*args, **kwargs))

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._stream(self._inner.stream_unary(*args, **kwargs))

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._stream(self._inner.stream_stream(*args, **kwargs))

    def _stream(self, inner: Any) -> Any:
        def call(
            messages: Any = None,
            *,
            timeout: float | None = None,
            metadata: Sequence[tuple[str, str]] = (),
            **kwargs: Any,
        ) -> Any:
            """Start a stream. Without a `timeout` it has no deadline: its reader limits the wait for a message."""
            limit = None if timeout is None else remaining(timeout)
            return inner(messages, timeout=limit, metadata=self.metadata(metadata), **kwargs)

        return call


class UnaryUnary:
    """One RPC of a stub."""

    def __init__(self, channel: Channel, method: str, inner: Any, timeout: float) -> None:
        self._channel = channel
        self._method = method
        self._inner = inner
        self._timeout = timeout

    def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Sequence[tuple[str, str]] = (), **kwargs: Any
    ) -> Any:
        """Start the call and return its awaitable, which raises grpc.aio.AioRpcError."""
        limit = remaining(self._timeout if timeout is None else timeout)
        if trace.get_current_span().get_span_context().trace_flags.sampled:  # also if the span has ended
            return self._traced(request, limit, metadata, kwargs)
        return self._inner(request, timeout=limit, metadata=self._channel.metadata(metadata), **kwargs)

    async def _traced(self, request: Any, limit: float, metadata: Sequence[tuple[str, str]], kwargs: Any) -> Any:
        service, _, name = self._method[1:].rpartition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
        tracer = trace.get_tracer("trivet.client")
        with tracer.start_as_current_span(
            self._method[1:],
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            code = grpc.StatusCode.CANCELLED
            try:
                answer = await self._inner(request, timeout=limit, metadata=self._channel.metadata(metadata), **kwargs)
                code = grpc.StatusCode.OK
                return answer
            except aio.AioRpcError as error:
                code = error.code()
                raise
            finally:
                span.set_attribute("rpc.grpc.status_code", code.value[0])
                if code is not grpc.StatusCode.OK:
                    span.set_status(StatusCode.ERROR, code.name)


class Lengthening(UnaryUnary):
    """An RPC that waits for a host outside of Trivet. Its time is added to the current deadline."""

    def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Sequence[tuple[str, str]] = (), **kwargs: Any
    ) -> Any:
        with within(None):
            call = super().__call__(request, timeout=timeout, metadata=metadata, **kwargs)
        return self._ended(call)

    async def _ended(self, call: Awaitable[Any]) -> Any:
        began = time.monotonic()
        try:
            return await call
        finally:
            lengthen(time.monotonic() - began)
