"""Calls that never send their message, and calls that anybody may make: they end, and leave room for the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY

from runtime.rpc import open_calls
from runtime.rpc.interceptors import is_stream
from runtime.rpc.server import MAX_CONCURRENT_RPCS, Server
from tests.harness.rpc import POLICY, SERVICE, Served, answers, raw, served, settings
from tests.harness.waiting import until
from trivet.client import reason_of
from trivet.client.retry import CALLS
from trivet.identity.v1.user_service_pb2 import GetUserRequest

pytestmark = pytest.mark.slow

GET_USER = f"/{SERVICE}/GetUser"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SOON = 9.0
"""Shorter than TRIVET_CALL_LIMIT_SECONDS is by default."""


def silent(channel: aio.Channel, method: str, metadata: Any = ()) -> Any:
    """Begin a call, of whatever kind, that sends no message and has no deadline."""
    return channel.stream_stream(method)(metadata=metadata)


async def ended(call: Any) -> grpc.StatusCode:
    """Return what a call ends with; a call that does not end fails the test."""
    code = await asyncio.wait_for(call.code(), SOON)
    assert isinstance(code, grpc.StatusCode)
    return code


async def refusal_of(channel: aio.Channel, method: str, *messages: bytes, metadata: Any = ()) -> aio.AioRpcError:
    """Send the messages, say that there are no more, and return how that was refused."""

    async def sent() -> None:
        call = silent(channel, method, metadata)
        for message in messages:
            await call.write(message)
        await call.done_writing()
        await call.read()

    with pytest.raises(aio.AioRpcError) as refused:
        await asyncio.wait_for(sent(), SOON)
    return refused.value


@asynccontextmanager
async def stranger(running: Served) -> AsyncIterator[aio.Channel]:
    async with aio.insecure_channel(running.address) as channel:
        yield channel


def handled(code: str) -> float:
    labels = {"method": f"{SERVICE}/GetUser", "code": code}
    return REGISTRY.get_sample_value("trivet_rpc_handled_total", labels) or 0.0


async def test_without_an_actor_a_call_is_refused_before_its_message_is_waited_for() -> None:
    """G3: 2,000 of them would hold every place, for as long as they like. Each is counted."""
    before = handled("UNAUTHENTICATED")
    async with served() as running, stranger(running) as channel:
        calls = [silent(channel, GET_USER) for _ in range(100)]
        assert {await ended(call) for call in calls} == {grpc.StatusCode.UNAUTHENTICATED}
        assert reason_of(await refusal_of(channel, GET_USER)) == "INVALID_ACTOR"
    assert handled("UNAUTHENTICATED") - before == 101


async def test_a_signed_call_whose_message_never_comes_ends_by_the_limit_of_calls() -> None:
    async with served(configured=settings(call_limit_seconds=0.2)) as running, stranger(running) as channel:
        call = silent(channel, GET_USER, running.channel.metadata())
        assert await ended(call) is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_signed_call_that_ends_without_a_message_is_malformed() -> None:
    async with served() as running, stranger(running) as channel:
        refused = await refusal_of(channel, GET_USER, metadata=running.channel.metadata())
        assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert reason_of(refused) == "MALFORMED_REQUEST"
        assert (await running.stub.GetUser(GetUserRequest(user_id="user1"))).id == "user1"


@pytest.mark.parametrize("method", [WATCH, REFLECT])
async def test_streams_open_to_all_are_few(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused at once, whoever is signed or probes is served, and one that ends makes room."""
    monkeypatch.setattr(open_calls, "MAX_STREAMS", 8)
    async with served() as running, stranger(running) as channel:
        calls = [silent(channel, method) for _ in range(9)]
        done, held = await asyncio.wait(
            [asyncio.create_task(call.code()) for call in calls], timeout=SOON, return_when=asyncio.FIRST_COMPLETED
        )
        # A client of several replicas that cannot watch the health of one would not call it after another code.
        refusal = grpc.StatusCode.UNIMPLEMENTED if method == WATCH else grpc.StatusCode.RESOURCE_EXHAUSTED
        assert [task.result() for task in done] == [refusal]
        assert len(held) == 8
        assert await raw(channel, CHECK)(b"", timeout=SOON) != b""
        assert (await running.stub.GetUser(GetUserRequest(user_id="user1"))).id == "user1"
        for call in calls:
            call.cancel()
        await asyncio.wait(held)
        again = silent(channel, method)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(again.code(), 0.2)


@pytest.mark.parametrize("method", [CHECK, WATCH, REFLECT])
async def test_calls_open_to_all_end(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_calls, "UNARY_SECONDS", 0.2)
    monkeypatch.setattr(open_calls, "STREAM_SECONDS", 0.2)
    async with served() as running, stranger(running) as channel:
        assert await ended(silent(channel, method)) is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_watch_that_has_been_answered_ends_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_calls, "STREAM_SECONDS", 0.3)
    async with served() as running, stranger(running) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        statuses = stub.Watch(health_pb2.HealthCheckRequest())
        assert isinstance(await statuses.read(), health_pb2.HealthCheckResponse)
        assert await ended(statuses) is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("method", [CHECK, WATCH, REFLECT])
async def test_garbage_that_anybody_may_send_leaves_no_traceback(method: str, caplog: pytest.LogCaptureFixture) -> None:
    async with served() as running, stranger(running) as channel:
        refused = await refusal_of(channel, method, b"\xff" * 100)
        assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert reason_of(refused) == "MALFORMED_REQUEST"
    assert [record.message for record in caplog.records if record.exc_info] == []


async def test_health_of_a_service_that_is_not_here_is_not_found(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as running, stranger(running) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(aio.AioRpcError) as refused:
            await stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        answer = await stub.List(health_pb2.HealthListRequest())  # type: ignore[attr-defined]  # newer than its types
        assert set(answer.statuses) == {"", "store", CALLS, SERVICE}
    assert [record.message for record in caplog.records if record.exc_info] == []


def test_the_bounds_leave_most_places_to_those_who_are_known() -> None:
    methods = [
        method
        for service in open_calls.SERVICES
        for method in descriptor_pool.Default().FindServiceByName(service).methods
    ]
    most = sum(open_calls.MAX_STREAMS if is_stream(method) else open_calls.MAX_UNARY for method in methods)
    assert len(methods) == 5
    assert most <= MAX_CONCURRENT_RPCS / 2


async def test_ten_thousand_streams_of_strangers_leave_the_service_to_those_who_are_known() -> None:
    """G5: over ten connections, each with as many streams as it may have."""
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with served() as running, AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(aio.insecure_channel(running.address, options=own)) for _ in range(10)
        ]
        calls = [silent(channel, WATCH) for channel in channels for _ in range(1_000)]
        codes = [asyncio.create_task(call.code()) for call in calls]
        refused = len(calls) - open_calls.MAX_STREAMS
        await until(lambda: sum(code.done() for code in codes) >= refused, 60)
        # gRPC's own transport cancels some of so many that come at once.
        refusals = {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.CANCELLED}
        assert {code.result() for code in codes if code.done()} <= refusals
        assert (await running.stub.GetUser(GetUserRequest(user_id="user1"))).id == "user1"
        for call in calls:
            call.cancel()
        await asyncio.wait(codes)


async def test_a_service_that_is_specified_only_answers_at_once_whatever_was_sent() -> None:
    """No message is waited for, so that silent callers take no place."""
    server = Server("identity", settings(), 0, policy=POLICY, ping=answers, not_implemented=(SERVICE,))
    async with server.serving(), aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        calls = [silent(channel, GET_USER) for _ in range(100)]
        assert {await ended(call) for call in calls} == {grpc.StatusCode.UNIMPLEMENTED}
