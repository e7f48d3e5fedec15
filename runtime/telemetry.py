"""Traces out by OTLP, metrics in by Prometheus: set up once per process."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import Gauge, Histogram, start_http_server

store_duration = Histogram(
    "trivet_store_duration_seconds",
    "How long store calls took.",
    ["system", "operation"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
store_pool_in_use = Gauge("trivet_store_pool_in_use", "Connections to a store that calls hold now.", ["system"])
store_pool_size = Gauge("trivet_store_pool_size", "Connections to a store that are open, in use or not.", ["system"])
# One per kind of store call, so looked up once.
store_duration_of = cache(store_duration.labels)

LAST_EXPORT_SECONDS = 1.0


class Batches(BatchSpanProcessor):
    """Sends spans in batches; at the end what is left, but a collector that is away keeps no process from ending."""

    def __init__(self, exporter: SpanExporter) -> None:
        super().__init__(exporter)
        self._destination = exporter

    def shutdown(self) -> None:
        give_up = threading.Timer(LAST_EXPORT_SECONDS, lambda: self._destination.shutdown())
        give_up.daemon = True
        give_up.start()
        super().shutdown()  # type: ignore[no-untyped-call]  # the SDK's own
        give_up.cancel()


def start_tracing(service: str, ratio: float) -> TracerProvider | None:
    """Export spans in batches to OTEL_EXPORTER_OTLP_ENDPOINT; without that variable nothing is recorded.

    A new trace is sampled with probability `ratio`; one begun elsewhere follows its parent.
    """
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        resource=Resource.create({"service.name": service, "service.namespace": "trivet"}),
    )
    provider.add_span_processor(Batches(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def start_metrics(host: str, port: int) -> None:
    """Serve /metrics for Prometheus from a thread of its own, so that a busy loop can still be looked at."""
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        raise SystemExit(f"trivet: cannot serve /metrics on {host}:{port}: {error.strerror}") from None


@contextmanager
def store_call(system: str, operation: str) -> Iterator[None]:
    """Time one call to a store, and record a span for it below a recorded parent.

    `system` is the store's name in OpenTelemetry's conventions (`mysql`, `mongodb`, `redis`), `operation` a fixed word
    (`sessions.find`): never a statement with values in it.
    """
    began = time.perf_counter()
    try:
        if not trace.get_current_span().is_recording():
            yield
            return
        with trace.get_tracer("trivet.store").start_as_current_span(
            f"{system} {operation}",
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": system, "db.operation.name": operation},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise
    finally:
        store_duration_of(system, operation).observe(time.perf_counter() - began)
