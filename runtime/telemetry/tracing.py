"""Sets up traces (OTLP) and metrics (Prometheus) of a process."""

import os
import threading
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import Gauge

from runtime.listening import authority, socket_address
from runtime.telemetry.metrics import Histogram
from runtime.telemetry.metrics_port import MetricsServer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

store_duration = Histogram(
    "trivet_store_duration_seconds",
    "How long store calls took.",
    ["system", "operation"],
    bounds=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
store_pool_wait = Histogram(
    "trivet_store_pool_wait_seconds",
    "How long calls waited for a connection to a store, of the calls that had to wait.",
    ["system"],
    bounds=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
store_pool_in_use = Gauge("trivet_store_pool_in_use", "Connections to a store that calls hold now.", ["system"])
store_pool_size = Gauge("trivet_store_pool_size", "Connections to a store that are open, in use or not.", ["system"])
store_pool_limit = Gauge("trivet_store_pool_limit", "Connections to a store that can be open at once.", ["system"])


def records_spans(tracer: trace.Tracer) -> bool:
    """Whether the spans of a tracer are recorded. They are not without a provider."""
    return not isinstance(tracer, trace.ProxyTracer | trace.NoOpTracer)


def start_tracing(service: str) -> "TracerProvider | None":
    """Export spans in batches to OTEL_EXPORTER_OTLP_ENDPOINT; without that variable nothing is recorded."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    from runtime.telemetry.export import exporting  # only here, where spans go somewhere

    return exporting(service)


def start_metrics(host: str, port: int) -> None:
    """Serve /metrics for Prometheus in a thread, so that it answers also while the event loop is busy."""
    try:
        family, address = socket_address(host, port)
        server = MetricsServer((str(address[0]), port), family)
    except OSError as error:
        raise SystemExit(f"trivet: cannot serve /metrics on {authority(host, port)}: {error.strerror}") from None
    threading.Thread(target=server.serve_forever, daemon=True).start()


class StoreCall:
    """One call to a store: its time, and a span below a recorded parent.

    A class, because a generator's context costs twice as much, and every statement pays it.
    """

    __slots__ = ("_began", "_labels", "_span")

    def __init__(self, system: str, operation: str) -> None:
        self._labels = (system, operation)

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        self._span = _open_span(*self._labels) if trace.get_current_span().is_recording() else None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace_: object) -> None:
        store_duration.of(*self._labels).observe(time.perf_counter() - self._began)
        if self._span is not None:
            context, span = self._span
            if isinstance(error, Exception):
                span.set_status(StatusCode.ERROR, type(error).__name__)
            context.__exit__(None, None, None)


def store_call(system: str, operation: str) -> StoreCall:
    """Time one call to a store, and record a span for it below a recorded parent.

    `system` is the store's name in OpenTelemetry's conventions (`mysql`, `mongodb`, `redis`), `operation` a fixed word
    (`sessions.find`): never a statement with values in it.
    """
    return StoreCall(system, operation)


def _open_span(system: str, operation: str) -> "tuple[AbstractContextManager[trace.Span], trace.Span]":
    context = trace.get_tracer("trivet.store").start_as_current_span(
        f"{system} {operation}",
        kind=SpanKind.CLIENT,
        attributes={"db.system.name": system, "db.operation.name": operation},
        record_exception=False,
        set_status_on_exception=False,
    )
    return context, context.__enter__()
