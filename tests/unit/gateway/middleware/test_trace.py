"""A request that is not sampled meets no span; one that is leaves exactly one, and tells its trace."""

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.request_context import request_context_of
from gateway.middleware import trace as middleware
from gateway.middleware.request_id import RequestId
from gateway.middleware.trace import Trace
from runtime.telemetry.sampling import Parent, parent_of
from tests.harness.spans import recorded

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NO_TRACE = f"{'0' * 32}/"


def parent(flags: str) -> dict[str, str]:
    return {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-{flags}"}


async def tells_its_trace(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the trace that calls made from here would carry, and the one that the request log would name."""
    carried = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
    await Response(f"{carried}/{request_context_of(scope).trace_id}")(scope, receive, send)


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    return recorded(monkeypatch)


async def ask(app: ASGIApp, headers: dict[str, str] | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(RequestId(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://trivet") as http:
        return await http.get("/", headers=headers)


def traced(ratio: float, chance: float) -> Trace:
    return Trace(tells_its_trace, ratio=ratio, chance=lambda: chance)


async def test_an_unsampled_request_meets_nothing_of_opentelemetry(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "PROPAGATOR", None)
    monkeypatch.setattr(middleware, "otel_context", None)
    for headers in ({}, {"traceparent": "nonsense"}):
        answer = await ask(traced(0.01, 0.5), headers)
        assert answer.text == NO_TRACE
        assert "traceparent" not in answer.headers
    unsampled = await ask(traced(1.0, 0.0), parent("00"))
    assert unsampled.text == f"{'0' * 32}/{TRACE_ID}"
    assert unsampled.headers["traceparent"] == f"00-{TRACE_ID}-{SPAN_ID}-00"
    with pytest.raises(AttributeError):
        await ask(traced(1.0, 0.0))
    assert exporter.get_finished_spans() == ()


async def test_a_sampled_request_is_one_span_whose_trace_the_answer_tells(exporter: InMemorySpanExporter) -> None:
    answer = await ask(traced(0.01, 0.005))
    (span,) = exporter.get_finished_spans()
    trace_id = trace.format_trace_id(span.context.trace_id)
    assert answer.text == f"{trace_id}/{trace_id}"
    told = parent_of(answer.headers["traceparent"])
    assert told == Parent(trace_id, trace.format_span_id(span.context.span_id), is_sampled=True)


async def test_a_sampled_parent_decides_whatever_the_ratio(exporter: InMemorySpanExporter) -> None:
    answer = await ask(traced(0.0, 0.9), parent("01"))
    (span,) = exporter.get_finished_spans()
    assert span.parent is not None
    assert trace.format_span_id(span.parent.span_id) == SPAN_ID
    assert answer.text == f"{TRACE_ID}/{TRACE_ID}"


async def test_a_gateway_that_records_nothing_passes_a_sampled_trace_on() -> None:
    assert (await ask(traced(1.0, 0.0), parent("01"))).text == f"{TRACE_ID}/{TRACE_ID}"
    assert (await ask(traced(1.0, 0.0))).text == NO_TRACE
