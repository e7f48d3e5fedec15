"""Traces out by OTLP, metrics in by Prometheus: set up once per process."""

import os

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from prometheus_client import start_http_server


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
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def start_metrics(host: str, port: int) -> None:
    """Serve /metrics for Prometheus from a thread of its own, so that a busy loop can still be looked at."""
    start_http_server(port, addr=host)
