"""Spans where somebody records, metrics always, and nothing looked up twice."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from runtime.rpc import interceptors
from runtime.rpc.interceptor_chain import Context
from runtime.settings import Keys
from runtime.telemetry.tracing import store_call
from tests.harness.rpc import KEY, SERVICE, served, settings
from trivet.client import Signer, connect
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest, ListUsersRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub

ME = GetUserRequest(user_id="user1")
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = ("traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01")


async def current_trace(request: GetUserRequest, context: Context) -> User:
    """Answer the trace that calls made from here would carry."""
    return User(name=trace.format_trace_id(trace.get_current_span().get_span_context().trace_id))


async def test_a_trace_goes_through_a_process_that_records_nothing() -> None:
    async with served(current_trace) as running:
        assert (await running.stub.GetUser(ME, metadata=(TRACEPARENT,))).name == TRACE_ID


async def test_without_a_trace_and_without_a_recorder_none_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interceptors, "PROPAGATOR", None)
    async with served(current_trace) as running:
        assert (await running.stub.GetUser(ME)).name == "0" * 32


async def test_a_process_that_records_begins_a_trace_where_none_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    async with served(current_trace) as running:
        answered = (await running.stub.GetUser(ME)).name
    (span,) = exporter.get_finished_spans()
    assert (span.name, trace.format_trace_id(span.context.trace_id)) == (f"{SERVICE}/GetUser", answered)


@pytest.mark.parametrize(("caller", "spans"), [("gateway", 0), ("identity", 0), ("tests", 1)])
async def test_a_service_begins_no_trace_where_one_of_our_processes_has_decided_against_it(
    monkeypatch: pytest.MonkeyPatch, caller: str, spans: int
) -> None:
    """The row `tests` is the run without: a call that is not known to be ours begins a trace."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    configured = settings().model_copy(update={"accept_keys": Keys({caller: KEY})})
    async with (
        served(configured=configured) as running,
        connect(running.address, "identity", Signer(caller, {"identity": KEY})) as channel,
    ):
        await UserServiceStub(channel).ListUsers(ListUsersRequest())
    assert len(exporter.get_finished_spans()) == spans


async def test_a_call_is_timed_and_counted_once_also_where_nothing_is_recorded() -> None:
    labels = {"method": f"{SERVICE}/GetUser"}

    def counts() -> tuple[float, float, float | None]:
        handled = REGISTRY.get_sample_value("trivet_rpc_handled_total", {**labels, "code": "OK"}) or 0
        timed = REGISTRY.get_sample_value("trivet_rpc_duration_seconds_count", labels) or 0
        return handled, timed, REGISTRY.get_sample_value("trivet_rpc_in_flight")

    handled, timed, in_flight = counts()
    async with served() as running:
        for metadata in ((), (TRACEPARENT,)):
            await running.stub.GetUser(ME, metadata=metadata)
    assert counts() == (handled + 2, timed + 2, in_flight)


def test_each_kind_of_store_call_is_timed_under_its_own_name() -> None:
    def counts() -> list[float]:
        names = ("things.find", "things.insert")
        labels = ({"system": "test", "operation": name} for name in names)
        return [REGISTRY.get_sample_value("trivet_store_duration_seconds_count", each) or 0 for each in labels]

    found, inserted = counts()
    for operation in ("things.find", "things.insert", "things.find"):
        with store_call("test", operation):
            pass
    with pytest.raises(LookupError), store_call("test", "things.insert"):
        raise LookupError
    assert counts() == [found + 2, inserted + 2]
