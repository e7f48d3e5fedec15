"""What a call carries without its caller's doing, and what it tells when it fails."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import aio
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from runtime.actor import current_actor
from runtime.call import Context
from runtime.errors import NotFound
from tests.harness.rpc import KEY, SERVICE, served
from trivet.client import Signer, acting_for, connect, decode_pair_keys, reason_of
from trivet.client.errors import status_of
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest

ME = GetUserRequest(user_id="user1")


async def test_a_call_carries_the_person_it_is_for() -> None:
    async def answer(request: GetUserRequest, context: Context) -> User:
        actor = current_actor.get()
        return User(id=actor.user_id, name=actor.caller)

    async with served(answer) as running:
        with acting_for("user1", "user"):
            user = await running.stub.GetUser(ME)
        assert (user.id, user.name) == ("user1", "tests")
        assert (await running.stub.GetUser(ME)).id == ""


async def test_the_callers_own_metadata_goes_along() -> None:
    async def answer(request: GetUserRequest, context: Context) -> User:
        return User(name=str(dict(context.invocation_metadata() or ())["x-mine"]))

    async with served(answer) as running:
        assert (await running.stub.GetUser(ME, metadata=(("x-mine", "yes"),))).name == "yes"


async def test_a_service_without_a_shared_key_cannot_be_called() -> None:
    async with connect("127.0.0.1:1", "cache", Signer("tests", {"identity": KEY})) as channel:
        with pytest.raises(LookupError, match="shares no key with cache"):
            channel.metadata()


async def test_a_service_that_is_away_is_unavailable_within_the_time_out() -> None:
    async with served() as running:
        address = running.address
    async with connect(address, "identity", Signer("tests", {"identity": KEY}), timeout=0.5) as channel:
        with pytest.raises(aio.AioRpcError) as failed:
            await channel.unary_unary(f"/{SERVICE}/GetUser", GetUserRequest.SerializeToString, User.FromString)(ME)
        assert failed.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert reason_of(failed.value) == ""


class Recorded:
    """Spans kept in memory under a provider of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sampler: Sampler) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=ParentBased(sampler))
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        monkeypatch.setattr(trace, "get_tracer", self.provider.get_tracer)

    def kinds(self) -> list[SpanKind]:
        return [span.kind for span in self.exporter.get_finished_spans()]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return Recorded(monkeypatch, ALWAYS_ON)


async def test_a_call_is_a_client_span_with_a_server_span_below_it(recorded: Recorded) -> None:
    async with served() as running:
        with recorded.provider.get_tracer("test").start_as_current_span("request") as root:
            await running.stub.GetUser(ME)
    server, client, _ = recorded.exporter.get_finished_spans()
    assert (server.kind, client.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert server.name == client.name == f"{SERVICE}/GetUser"
    assert server.parent is not None
    assert client.parent is not None
    assert server.parent.span_id == client.context.span_id
    assert client.parent.span_id == root.get_span_context().span_id
    assert server.context.trace_id == root.get_span_context().trace_id


async def test_a_refusal_is_the_callers_error_and_not_the_servers_and_tells_no_text(recorded: Recorded) -> None:
    """I4: a span says the code, never the sentence."""

    async def answer(request: GetUserRequest, context: Context) -> User:
        raise NotFound("USER_NOT_FOUND", "no user hunter2")

    async with served(answer) as running:
        with recorded.provider.get_tracer("test").start_as_current_span("request"), pytest.raises(aio.AioRpcError):
            await running.stub.GetUser(ME)
    server, client, _ = recorded.exporter.get_finished_spans()
    assert (server.status.status_code, client.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert dict(server.attributes or {})["rpc.grpc.status_code"] == 5
    assert dict(client.attributes or {})["rpc.grpc.status_code"] == 5
    assert not any("hunter2" in span.to_json() for span in (server, client))


async def test_under_an_unsampled_parent_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(monkeypatch, ALWAYS_OFF)
    async with served() as running:
        with recorded.provider.get_tracer("test").start_as_current_span("request"):
            await running.stub.GetUser(ME)
    assert recorded.kinds() == []


async def test_the_trace_goes_along_and_baggage_from_outside_does_not() -> None:
    """G5: baggage could grow until every call is refused for its size."""
    token = context.attach(baggage.set_baggage("padding", "x" * 9_000))
    try:
        async with served() as running:
            with TracerProvider().get_tracer("test").start_as_current_span("request"):
                keys = {key for key, _ in running.channel.metadata()}
                assert keys == {"trivet-actor", "traceparent"}
                await running.stub.GetUser(ME)
    finally:
        context.detach(token)


def failed_with(*metadata: tuple[str, bytes]) -> aio.AioRpcError:
    return aio.AioRpcError(grpc.StatusCode.INTERNAL, aio.Metadata(), aio.Metadata(*metadata), "failed")


def test_a_reason_is_read_from_the_details_and_empty_where_there_is_none() -> None:
    packed = AnyMessage()
    packed.Pack(ErrorInfo(reason="EMAIL_TAKEN"))
    details = Status(details=[packed]).SerializeToString()
    assert reason_of(failed_with(("grpc-status-details-bin", details))) == "EMAIL_TAKEN"
    assert reason_of(failed_with(("grpc-status-details-bin", b"\xff\xff"))) == ""
    assert reason_of(failed_with()) == ""
    assert status_of(grpc.RpcError()) is None


def test_pair_keys_are_read_and_a_short_one_is_refused_without_showing_it() -> None:
    assert decode_pair_keys(f" a={'ab' * 32}, b={'cd' * 32} ,") == {"a": b"\xab" * 32, "b": b"\xcd" * 32}
    for wrong in ("a=abcd", "abcdef" * 20, "=abcdef"):
        with pytest.raises(ValueError, match="32 bytes") as refused:
            decode_pair_keys(wrong)
        assert "abcd" not in str(refused.value)
