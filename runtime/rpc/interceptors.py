"""What is done around every RPC, one concern a class; `runtime/rpc/server.py` puts them in order."""

import asyncio
import logging
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
from runtime.rpc.interceptor_chain import Call, Concern, Context, Proceed, decoded
from runtime.rpc.lease import current_lease, parse_lease
from runtime.rpc.policy import Policy, authorize
from runtime.rpc.status import rich_status, wire_status
from runtime.rpc.validation import validator
from runtime.telemetry.metrics import Counts, Level, Timings
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
"""The codes that make a server span an error, as OpenTelemetry's conventions for RPCs have it."""
# The trace alone: baggage is the outside's, and could grow until the metadata is refused.
PROPAGATOR = TraceContextTextMapPropagator()

handled = Counts("trivet_rpc_handled_total", "RPCs answered, by status code.", ["method", "code"])
duration = Timings("trivet_rpc_duration_seconds", "How long RPCs took.", ["method"], bounds=LATENCY_BUCKETS)
in_flight = Level()
Gauge("trivet_rpc_in_flight", "RPCs being worked on.").set_function(lambda: in_flight.value)


class Trace(Concern):
    """A server span below the caller's, and the duration and code of every call as metrics.

    A call that is not sampled meets nothing of OpenTelemetry. `ratio` is how many of the traces begun here are kept. A
    stream is open for as long as its caller likes, so it is no work in flight.
    """

    def __init__(self, ratio: float = 1.0, *, chance: Chance = random.random) -> None:
        self._streams: set[str] = set()
        self._tracer = trace.get_tracer("trivet.server")
        self._sampler = Sampler(ratio if records_spans(self._tracer) else 0.0, chance=chance)

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None and is_stream(descriptor):
            self._streams.add(method)

    async def around(self, call: Call, proceed: Proceed) -> Any:
        began = time.perf_counter()
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
        except BaseException as error:
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
                except BaseException as error:
                    code = code_of(error, call.context)
                    raise
                finally:
                    span.set_attribute("rpc.grpc.status_code", code.value[0])
                    if code in OUR_FAULT:
                        span.set_status(StatusCode.ERROR)
        finally:
            otel_context.detach(token)


def code_of(error: BaseException, context: Context) -> grpc.StatusCode:
    """Return the code that a call ends with whose handler raised."""
    if isinstance(error, aio.AbortError):
        return context.code()
    return ended_by(context) if isinstance(error, asyncio.CancelledError) else grpc.StatusCode.UNKNOWN


def ended_by(context: Context) -> grpc.StatusCode:
    """Return what ended a call that was cancelled under its handler: its deadline, or its caller."""
    left = context.time_remaining()
    return grpc.StatusCode.CANCELLED if left is None or left > 0 else grpc.StatusCode.DEADLINE_EXCEEDED


LATE = DeadlineExceeded("DEADLINE_EXCEEDED", "the call took longer than it was given")


class Errors(Concern):
    """Makes a ServiceError a rich status, and anything unexpected INTERNAL without a word of why."""

    async def around(self, call: Call, proceed: Proceed) -> Any:
        try:
            return await proceed(call)
        except ServiceError as error:
            status = wire_status(error)
        except DecodeError:  # of a message in the midst of a stream
            status = rpc_status.to_status(rich_status(malformed()))
        except TimeoutError:
            status = rpc_status.to_status(rich_status(LATE))
        except asyncio.CancelledError:
            raise
        except Exception:  # the edge: nothing unexpected may carry its text across
            logger.exception("unexpected failure in %s", call.method)
            status = rpc_status.to_status(Status(code=grpc.StatusCode.INTERNAL.value[0], message="internal error"))
        try:
            return await call.context.abort_with_status(status)
        except (
            aio.InternalError,
            aio.UsageError,
        ):  # the caller has left, or its deadline passed: there is nobody to tell
            raise asyncio.CancelledError from None


class Deadline(Concern):
    """Every unary call ends: by its caller's deadline, or by ours if it sent none or a longer one.

    Ours is the deadline that the .proto declares for the RPC, or else `limit`. A stream ends only if there is a
    `stream_limit`.
    """

    def __init__(self, limit: float, *, stream_limit: float | None = None) -> None:
        self._limit = limit
        self._stream_limit = stream_limit
        self._limits: dict[str, float | None] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None:
            usual = self._stream_limit if is_stream(descriptor) else self._limit
            self._limits[method] = declared_deadline(descriptor) or usual

    async def around(self, call: Call, proceed: Proceed) -> Any:
        limit = self._limits.get(call.method, self._limit)
        if limit is None:
            return await proceed(call)
        left = call.context.time_remaining()
        if left is not None and left <= limit:
            # gRPC itself cancels the handler when its caller's deadline has passed: a timer here would be a second one.
            with within(left):
                return await proceed(call)
        with within(limit):
            async with asyncio.timeout(limit):
                return await proceed(call)


def is_stream(descriptor: MethodDescriptor) -> bool:
    return bool(descriptor.client_streaming or descriptor.server_streaming)


def malformed() -> InvalidArgument:
    return InvalidArgument("MALFORMED_REQUEST", "what was sent is not a message of the type that this RPC takes")


class Received(Concern):
    """What comes is a message of the RPC's type; where one is asked for, it is read here.

    Whoever is refused before this is refused without a message.
    """

    def __init__(self) -> None:
        self._decode: dict[str, Callable[[bytes], Message]] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None and not descriptor.client_streaming:
            self._decode[method] = GetMessageClass(descriptor.input_type).FromString

    async def around(self, call: Call, proceed: Proceed) -> Any:
        if (decode := self._decode.get(call.method)) is not None:
            body = await call.context.read()
            if body is aio.EOF:
                raise malformed()
            try:
                call.request = decoded(decode, body)
            except DecodeError:
                raise malformed() from None
        return await proceed(call)


class WhoCalls(Concern):
    """Only a validly signed actor passes."""

    def __init__(self, verify: Verifier) -> None:
        self._verify = verify

    async def around(self, call: Call, proceed: Proceed) -> Any:
        token = current_actor.set(self._verify(call.metadata.get(ACTOR_KEY)))
        try:
            return await proceed(call)
        finally:
            current_actor.reset(token)


class Allowed(Concern):
    """The actor passes only where the policy's row lets it."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if method not in self._policy:
            raise LookupError(f"{method} has no row in its service's policy table")

    async def around(self, call: Call, proceed: Proceed) -> Any:
        rule = self._policy.get(call.method)
        if rule is None:
            raise PermissionDenied("NO_POLICY", "no policy allows this call")
        authorize(rule, current_actor.get(), call.request)
        return await proceed(call)


class Required(Concern):
    """What the .proto marks REQUIRED is there."""

    def __init__(self) -> None:
        self._validators: dict[str, Any] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None and not descriptor.client_streaming:
            self._validators[method] = validator(descriptor.input_type, descriptor.name)

    async def around(self, call: Call, proceed: Proceed) -> Any:
        if (validate := self._validators.get(call.method)) is not None:
            validate(call.request)
        return await proceed(call)


class Lease(Concern):
    """Keeps the cache position that a reader missed at, for the fill on the way back."""

    async def around(self, call: Call, proceed: Proceed) -> Any:
        value = call.metadata.get(LEASE_KEY)
        if value is None:
            return await proceed(call)
        token = current_lease.set(parse_lease(value))
        try:
            return await proceed(call)
        finally:
            current_lease.reset(token)
