"""A server span for each sampled request, below the caller's span: W3C trace context in and out."""

import random

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.request_context import Header, RequestContext, header, request_context_of
from runtime.telemetry.sampling import Chance, Parent, Sampler, parent_of
from runtime.telemetry.tracing import records_spans

# Only the trace context: baggage of a caller is not propagated.
PROPAGATOR = TraceContextTextMapPropagator()
CONTEXT = (("traceparent", b"traceparent"), ("tracestate", b"tracestate"))


TRACER = "trivet.gateway"
BEGINS = "trivet.begins_trace"


def sampler_of(ratio: float, *, chance: Chance = random.random) -> Sampler:
    """Return the sampler of new traces. It samples none if no exporter records spans."""
    return Sampler(ratio if records_spans(trace.get_tracer(TRACER)) else 0.0, chance=chance)


class Trace:
    """Names the span by the route's template, and sends the trace to the caller in `traceparent`.

    A request that is not sampled does not use OpenTelemetry, and sends no trace to the services. `ratio` is the share
    of the traces begun here that are recorded.
    """

    def __init__(self, app: ASGIApp, *, ratio: float = 1.0, chance: Chance = random.random) -> None:
        self._app = app
        self._tracer = trace.get_tracer(TRACER)
        self._sampler = sampler_of(ratio, chance=chance)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parent = parent_of(traceparent) if (traceparent := header(scope, b"traceparent")) else None
        if parent is not None and not parent.is_sampled:
            _echo(scope, parent)
            await self._app(scope, receive, send)
            return
        # The fast path can have made the sampling decision.
        if parent is None and not (self._sampler.begins() if (sampled := scope.get(BEGINS)) is None else sampled):
            await self._app(scope, receive, send)
            return
        carrier = {name: value for name, key in CONTEXT if (value := header(scope, key))}
        token = otel_context.attach(PROPAGATOR.extract(carrier, otel_context.Context()))
        try:
            await self._traced(scope, receive, send)
        finally:
            otel_context.detach(token)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        context, method = request_context_of(scope), scope["method"]
        with self._tracer.start_as_current_span(
            method, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            if (own := span.get_span_context()).is_valid:
                context.trace_id, context.span_id = f"{own.trace_id:032x}", f"{own.span_id:016x}"
                outgoing: dict[str, str] = {}
                PROPAGATOR.inject(outgoing)
                context.headers.append((b"traceparent", outgoing["traceparent"].encode()))
            try:
                await self._app(scope, receive, send)
            finally:
                if span.is_recording():
                    span.update_name(f"{method} {context.route}")
                    span.set_attributes(_attributes(method, context))
                    if context.status >= 500 or context.status == 0:
                        span.set_status(StatusCode.ERROR)


def record(tracer: trace.Tracer, method: str, context: RequestContext) -> Header:
    """Record a request that began a trace and was answered without a call. Returns its `traceparent` header.

    Any thread can call it: it uses no current context.
    """
    span = tracer.start_span(
        f"{method} {context.route}",
        context=otel_context.Context(),
        kind=SpanKind.SERVER,
        attributes=_attributes(method, context),
    )
    own = span.get_span_context()
    context.trace_id, context.span_id = f"{own.trace_id:032x}", f"{own.span_id:016x}"
    span.end()
    return b"traceparent", f"00-{context.trace_id}-{context.span_id}-{own.trace_flags:02x}".encode()


def _attributes(method: str, context: RequestContext) -> dict[str, str | int]:
    return {
        "http.request.method": method,
        "http.route": context.route,
        "http.response.status_code": context.status,
    }


def _echo(scope: Scope, parent: Parent) -> None:
    """Put the caller's trace, which is not recorded here, into the answer and the access log."""
    context = request_context_of(scope)
    context.trace_id, context.span_id = parent.trace_id, parent.span_id
    context.headers.append((b"traceparent", f"00-{parent.trace_id}-{parent.span_id}-00".encode()))
