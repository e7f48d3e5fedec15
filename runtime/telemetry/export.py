"""Exports spans by OTLP. Imported only if spans are exported, because the SDK and its exporter use megabytes."""

import threading

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

LAST_EXPORT_SECONDS = 1.0


class Batches(BatchSpanProcessor):
    """Exports spans in batches. At shutdown the rest is sent, but an unreachable collector does not delay the exit."""

    def __init__(self, exporter: SpanExporter) -> None:
        super().__init__(exporter)
        self._destination = exporter

    def shutdown(self) -> None:
        give_up = threading.Timer(LAST_EXPORT_SECONDS, lambda: self._destination.shutdown())
        give_up.daemon = True
        give_up.start()
        super().shutdown()  # type: ignore[no-untyped-call]  # a method of the SDK
        give_up.cancel()


def exporting(service: str) -> TracerProvider:
    """Return a provider that exports every span. Requests that are not sampled start none."""
    provider = TracerProvider(
        sampler=ParentBased(ALWAYS_ON),
        resource=Resource.create({"service.name": service, "service.namespace": "trivet"}),
    )
    provider.add_span_processor(Batches(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
