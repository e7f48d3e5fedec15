"""The interceptors of every RPC. `runtime/rpc/server.py` lists them in order, outermost first."""

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status
from grpc import aio
from grpc_status import rpc_status
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Gauge

from runtime.errors import DeadlineExceeded, InvalidArgument, PermissionDenied, ServiceError
from runtime.rpc.actor import Verifier, current_actor
from runtime.rpc.caching.lease import current_lease, parse_lease
from runtime.rpc.interceptor_chain import Call, Context, Interceptor, Proceed, decoded
from runtime.rpc.policy import Policy, authorize
from runtime.rpc.status import rich_status, wire_status
from runtime.rpc.validation import validator
from runtime.telemetry.metrics import Counter, GaugeValue, Histogram
from runtime.telemetry.sampling import Chance, Sampler
from runtime.telemetry.tracing import records_spans
from trivet.client.actor import METADATA_KEY as ACTOR_KEY
from trivet.client.deadline import within
from trivet.client.methods import declared_deadline
from trivet.client.near.lease import METADATA_KEY as LEASE_KEY

logger = logging.getLogger(__name__)

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
OUR_FAULT = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""The codes that make a server span an error, see OpenTelemetry's semantic conventions for gRPC."""
# No baggage: callers control it, and it could outgrow the metadata limit.
PROPAGATOR = TraceContextTextMapPropagator()

handled = Counter("trivet_rpc_handled_total", "RPCs answered, by status code.", ["method", "code"])
duration = Histogram("trivet_rpc_duration_seconds", "How long RPCs took.", ["method"], bounds=LATENCY_BUCKETS)
in_flight = GaugeValue()
Gauge("trivet_rpc_in_flight", "RPCs being worked on.").set_function(lambda: in_flight.value)


class Telemetry(Interceptor):
    """Records a server span for a sampled call, and the duration and status code of every call.

    OpenTelemetry is not used for a call that is not sampled. `ratio` is the share of the traces begun here that are
    sampled. Streams do not count as calls in flight, because they can stay open for hours. `last_began` is the time of
    the last call, on the clock of `time.perf_counter`.
    """

    def __init__(self, ratio: float = 1.0, *, chance: Chance = random.random) -> None:
        self.last_began = -math.inf
        self._streams: set[str] = set()
        self._tracer = trace.get_tracer("trivet.server")
        self._sampler = Sampler(ratio if records_spans(self._tracer) else 0.0, chance=chance)

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None and is_stream(descriptor):
            self._streams.add(method)

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        self.last_began = began = time.perf_counter()
        code = grpc.StatusCode.UNKNOWN
        works = call.method not in self._streams
        in_flight.value += works
        try:
            if self._sampler.traces(call.metadata):
                answer = await self._traced(call, proceed)
            else:
                answer = await proceed(call)
            code = grpc.StatusCode.OK
            return answer
        except BaseException as error:  # a cancelled call is counted too
            code = code_of(error, call.context)
            raise
        finally:
            in_flight.value -= works
            handled.of(call.method, code.name).value += 1
            duration.of(call.method).observe(time.perf_counter() - began)

    async def _traced(self, call: Call, proceed: Proceed) -> Any:
        service, _, name = call.method.rpartition("/")
        token = otel_context.attach(PROPAGATOR.extract(call.metadata))
        try:
            with self._tracer.start_as_current_span(
                call.method,
                kind=SpanKind.SERVER,
                attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": name},
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                code = grpc.StatusCode.OK
                try:
                    return await proceed(call)
                except BaseException as error:  # the span of a cancelled call has its code too
                    code = code_of(error, call.context)
                    raise
                finally:
                    span.set_attribute("rpc.grpc.status_code", code.value[0])
                    if code in OUR_FAULT:
                        span.set_status(StatusCode.ERROR)
        finally:
            otel_context.detach(token)


def code_of(error: BaseException, context: Context) -> grpc.StatusCode:
    """Return the status code of a call whose handler raised `error`."""
    if isinstance(error, aio.AbortError):
        return context.code()
    return ended_by(context) if isinstance(error, asyncio.CancelledError) else grpc.StatusCode.UNKNOWN


def ended_by(context: Context) -> grpc.StatusCode:
    """Return DEADLINE_EXCEEDED if a cancelled call has no time left, else CANCELLED."""
    left = context.time_remaining()
    return grpc.StatusCode.CANCELLED if left is None or left > 0 else grpc.StatusCode.DEADLINE_EXCEEDED


LATE = DeadlineExceeded("DEADLINE_EXCEEDED", "the call did not finish within its deadline")


class ErrorStatus(Interceptor):
    """Turns a ServiceError into a rich status. Any other exception is logged, and becomes INTERNAL without details."""

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        try:
            return await proceed(call)
        except ServiceError as error:
            status = wire_status(error)
        except DecodeError:  # a later message of a stream
            status = rpc_status.to_status(rich_status(malformed()))
        except TimeoutError:
            status = rpc_status.to_status(rich_status(LATE))
        except asyncio.CancelledError:
            raise
        except Exception:  # its text must not reach the caller
            logger.exception("unexpected failure in %s", call.method)
            status = rpc_status.to_status(Status(code=grpc.StatusCode.INTERNAL.value[0], message="internal error"))
        try:
            return await call.context.abort_with_status(status)
        except (aio.InternalError, aio.UsageError):  # the caller has left, or its deadline has passed
            raise asyncio.CancelledError from None


class Deadlines(Interceptor):
    """Ends a unary call at its caller's deadline, or at the server's if that is earlier or the caller sent none.

    The server's deadline is the one that the .proto declares for the RPC, else `limit` seconds. A stream has a deadline
    only if `stream_limit` is set.
    """

    def __init__(self, limit: float, *, stream_limit: float | None = None) -> None:
        self._limit = limit
        self._stream_limit = stream_limit
        self._limits: dict[str, float | None] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None:
            usual = self._stream_limit if is_stream(descriptor) else self._limit
            self._limits[method] = declared_deadline(descriptor) or usual

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        limit = self._limits.get(call.method, self._limit)
        if limit is None:
            return await proceed(call)
        left = call.context.time_remaining()
        if left is not None and left <= limit:
            # gRPC cancels the handler at the caller's deadline, so that no timer is needed here.
            with within(left):
                return await proceed(call)
        with within(limit):
            async with asyncio.timeout(limit):
                return await proceed(call)


def is_stream(descriptor: MethodDescriptor) -> bool:
    return bool(descriptor.client_streaming or descriptor.server_streaming)


def malformed() -> InvalidArgument:
    return InvalidArgument("MALFORMED_REQUEST", "the request is not a valid message of the type that this RPC takes")


class RequestDecoding(Interceptor):
    """Reads and decodes the request of an RPC that takes a single message.

    Interceptors outside this one refuse a call before its request is read.
    """

    def __init__(self) -> None:
        self._decode: dict[str, Callable[[bytes], Message]] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None and not descriptor.client_streaming:
            self._decode[method] = GetMessageClass(descriptor.input_type).FromString

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        if (decode := self._decode.get(call.method)) is not None:
            body = await call.context.read()
            if body is aio.EOF:
                raise malformed()
            try:
                call.request = decoded(decode, body)
            except DecodeError:
                raise malformed() from None
        return await proceed(call)


class Authentication(Interceptor):
    """Verifies the signed actor of a call. Fails with UNAUTHENTICATED if it is missing or not valid."""

    def __init__(self, verify: Verifier) -> None:
        self._verify = verify

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        token = current_actor.set(self._verify(call.metadata.get(ACTOR_KEY)))
        try:
            return await proceed(call)
        finally:
            current_actor.reset(token)


class Authorization(Interceptor):
    """Checks the call against its row in the service's policy table. Fails with PERMISSION_DENIED."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if method not in self._policy:
            raise LookupError(f"{method} has no row in its service's policy table")

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        rule = self._policy.get(call.method)
        if rule is None:
            raise PermissionDenied("NO_POLICY", "no policy allows this call")
        authorize(rule, current_actor.get(), call.request)
        return await proceed(call)


class RequiredFields(Interceptor):
    """Fails with INVALID_ARGUMENT if a field that the .proto marks REQUIRED is not set."""

    def __init__(self) -> None:
        self._validators: dict[str, Any] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None and not descriptor.client_streaming:
            self._validators[method] = validator(descriptor.input_type, descriptor.name)

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        if (validate := self._validators.get(call.method)) is not None:
            validate(call.request)
        return await proceed(call)


class CacheLease(Interceptor):
    """Keeps the lease that a caller sent after a cache miss. CacheFills writes the response with it."""

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        value = call.metadata.get(LEASE_KEY)
        if value is None:
            return await proceed(call)
        token = current_lease.set(parse_lease(value))
        try:
            return await proceed(call)
        finally:
            current_lease.reset(token)
