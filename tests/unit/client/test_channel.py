"""What a call carries without its caller's doing, and what it tells when it fails."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

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

from runtime.errors import NotFound
from runtime.rpc.actor import current_actor
from runtime.rpc.interceptor_chain import Context
from tests.harness.rpc import KEY, SERVICE, served
from trivet.client import Signer, acting_for, connect, decode_pair_keys, reason_of, remaining, within
from trivet.client.errors import status_of
from trivet.identity.v1.account_service_pb2 import BeginOAuthRequest
from trivet.identity.v1.account_service_pb2_grpc import AccountServiceStub
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub

ME = GetUserRequest(user_id="user1")
SIGNER = Signer("tests", {"identity": KEY})


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


async def test_a_call_that_outlives_its_request_is_a_client_span_all_the_same(recorded: Recorded) -> None:
    """What a request leaves behind goes on in its trace: a server span alone would be below another process's."""
    async with served() as running:
        with recorded.provider.get_tracer("test").start_as_current_span("request") as root:
            root.end()
            await running.stub.GetUser(ME)
    server, client = (span for span in recorded.exporter.get_finished_spans() if span.name != "request")
    assert (server.kind, client.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert server.parent is not None
    assert client.parent is not None
    assert server.parent.span_id == client.context.span_id
    assert client.parent.span_id == root.get_span_context().span_id


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


SENT = ("trivet-actor", "traceparent")


class Streams:
    """A service with an RPC of each kind that streams, which answers who called and whether a trace came along."""

    def __init__(self) -> None:
        self._server = aio.server()
        bare: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "UnaryStream": grpc.unary_stream_rpc_method_handler(self._stream),
            "StreamUnary": grpc.stream_unary_rpc_method_handler(self._unary),
            "StreamStream": grpc.stream_stream_rpc_method_handler(self._stream),
        }
        self._server.add_registered_method_handlers(SERVICE, bare)
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    async def _unary(self, _: object, context: Context) -> bytes:
        sent = dict(context.invocation_metadata() or ())
        return b" ".join(str(sent.get(name, "nothing")).split(".")[0].encode() for name in SENT)

    async def _stream(self, messages: object, context: Context) -> AsyncIterator[bytes]:
        yield await self._unary(messages, context)

    async def __aenter__(self) -> "Streams":
        await self._server.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.stop(None)


async def messages() -> AsyncIterator[bytes]:
    yield b"one"


async def test_every_kind_of_stream_carries_the_actor_and_the_trace() -> None:
    async with Streams() as streams, connect(f"127.0.0.1:{streams.port}", "identity", SIGNER) as channel:
        with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
            trace_id = f"{span.get_span_context().trace_id:032x}".encode()
            told = [
                await channel.stream_unary(f"/{SERVICE}/StreamUnary")(messages()),
                *[each async for each in channel.unary_stream(f"/{SERVICE}/UnaryStream")(b"one")],
                *[each async for each in channel.stream_stream(f"/{SERVICE}/StreamStream")(messages())],
            ]
    assert len(told) == 3
    assert all(actor == b"v1" and trace_id in trace for actor, trace in map(bytes.split, told))


async def test_a_stream_has_no_deadline_unless_its_reader_says_so() -> None:
    async with served() as running, connect(running.address, "identity", SIGNER) as channel:
        with within(0.05):
            unending = channel.stream_stream("/trivet.cache.v1.CacheService/Watch")(messages())
            limited = channel.unary_stream(f"/{SERVICE}/GetUser")(b"", timeout=9)
        assert unending.time_remaining() is None
        assert limited.time_remaining() <= 0.05
        unending.cancel()
        limited.cancel()


async def test_an_rpc_that_waits_for_an_outside_host_has_the_deadline_that_it_declares() -> None:
    async with connect("127.0.0.1:1", "identity", SIGNER) as channel:
        calls: list[Any] = [
            AccountServiceStub(channel).BeginOAuth(BeginOAuthRequest()),
            UserServiceStub(channel).GetUser(ME),
        ]
        declared, usual = (call.time_remaining() for call in calls)
        assert 2 < declared <= 8
        assert 1 < usual <= 2
        with within(1):
            calls.append(AccountServiceStub(channel).BeginOAuth(BeginOAuthRequest()))
        assert calls[2].time_remaining() <= 1
        for call in calls:
            call.cancel()


async def test_a_channel_that_lengthens_adds_the_time_of_such_an_rpc_to_the_works() -> None:
    """A request of five seconds has all five for our own services, however long a provider takes."""

    async def slow(request: GetUserRequest, context: Context) -> User:
        await asyncio.sleep(1)
        return User()

    async with served(slow) as running, connect(running.address, "identity", SIGNER, lengthens=True) as channel:
        channel._declared[f"/{SERVICE}/GetUser"] = 5.0
        stub = UserServiceStub(channel)
        with within(0.8):
            await stub.GetUser(ME)
            assert 0 < remaining(9) < 0.8
            channel._declared.clear()
            with pytest.raises(aio.AioRpcError) as failed:
                await UserServiceStub(channel).GetUser(ME)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert remaining(9) == 9
