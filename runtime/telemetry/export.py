"""Spans out by OTLP: imported only where they go somewhere, for the SDK and its exporter are megabytes."""

import threading

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

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


def exporting(service: str) -> TracerProvider:
    """Make every span that is begun in this process a record that is sent: what is not sampled begins none."""
    provider = TracerProvider(
        sampler=ParentBased(ALWAYS_ON),
        resource=Resource.create({"service.name": service, "service.namespace": "trivet"}),
    )
    provider.add_span_processor(Batches(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
