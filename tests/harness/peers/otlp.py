"""A real OTLP receiver: what a collector would be sent, kept for tests to look at."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

KINDS = {ProtoSpan.SPAN_KIND_SERVER: "server", ProtoSpan.SPAN_KIND_CLIENT: "client"}


@dataclass(frozen=True)
class Span:
    """One span as it came over the wire."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str] = field(hash=False)


class Receiver(TraceServiceServicer):
    """Collects spans; `address` is what OTEL_EXPORTER_OTLP_ENDPOINT names."""

    def __init__(self) -> None:
        self.address = ""
        self._spans: list[Span] = []
        self._changed = threading.Condition()

    def Export(self, request: ExportTraceServiceRequest, context: object) -> ExportTraceServiceResponse:
        with self._changed:
            for of_resource in request.resource_spans:
                service = _values(of_resource.resource.attributes).get("service.name", "")
                for scope in of_resource.scope_spans:
                    self._spans += [_span(service, span) for span in scope.spans]
            self._changed.notify_all()
        return ExportTraceServiceResponse()

    def spans(self, trace_id: str = "") -> list[Span]:
        """Return what has come so far, of one trace or of all."""
        with self._changed:
            return [span for span in self._spans if trace_id in ("", span.trace_id)]

    def wait_for(self, complete: Callable[[list[Span]], bool], trace_id: str, *, seconds: float = 10) -> list[Span]:
        """Return the trace's spans once they are `complete`; fail with what there is if they never are."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not complete(found := [span for span in self._spans if span.trace_id == trace_id]):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"the trace is incomplete:\n{tree(found)}")
        return found

    def environment(self) -> dict[str, str]:
        """Return what a process must find in its environment to send its spans here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self.address}",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a free port. It is a threaded server: it must not share the loop that a test may block."""
    receiver, server = Receiver(), grpc.server(ThreadPoolExecutor(4))
    add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]  # generated without types
    receiver.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


def tree(spans: list[Span]) -> str:
    """Return the spans as an indented tree, children below their parents in the order of their names."""
    ids = {span.span_id for span in spans}
    return "\n".join(line for root in _sorted(spans) if root.parent_id not in ids for line in _lines(root, spans, 0))


def _lines(span: Span, spans: list[Span], depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}{span.service} {span.kind} {span.name}"
    for child in _sorted(spans):
        if child.parent_id == span.span_id:
            yield from _lines(child, spans, depth + 1)


def _sorted(spans: list[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: (span.service, span.name))


def _span(service: str, span: ProtoSpan) -> Span:
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    return Span(service, span.name, KINDS.get(span.kind, "internal"), *ids, _values(span.attributes))


def _values(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return {each.key: str(getattr(each.value, each.value.WhichOneof("value") or "string_value")) for each in attributes}
