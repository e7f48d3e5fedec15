"""The server at its edges: limits, health, reflection, streams and its end."""

import asyncio
import gzip
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.rpc.interceptor_chain import MAX_REQUEST_BYTES, Context
from runtime.rpc.policy import People, Rule
from runtime.rpc.server import Server
from tests.harness.rpc import KEY, POLICY, SERVICE, TESTS, Served, Users, answers, raw, served, settings
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import DESCRIPTOR as CACHE
from trivet.cache.v1.cache_pb2 import WatchRequest, WatchResponse
from trivet.cache.v1.cache_pb2_grpc import CacheServiceServicer, CacheServiceStub, add_CacheServiceServicer_to_server
from trivet.client import Signer, reason_of
from trivet.client.actor import METADATA_KEY
from trivet.client.retry import CALLS
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import DeleteUserRequest, GetUserRequest, UpdateUserRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub, add_UserServiceServicer_to_server

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ME = GetUserRequest(user_id="user1")


async def still_serves(running: Served) -> bool:
    return (await running.stub.GetUser(ME)).id == "user1"


def health_stub(channel: aio.Channel) -> Any:
    """The published types of this stub lack its RPCs."""
    return health_pb2_grpc.HealthStub(channel)


async def health(address: str, service: str = "") -> int:
    async with aio.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        return int((await health_stub(channel).Check(request, timeout=3)).status)


async def test_metadata_over_8_kib_is_refused_and_the_service_stays_up() -> None:
    """G5."""
    async with served() as running:
        with pytest.raises(aio.AioRpcError) as refused:
            await running.stub.GetUser(ME, metadata=(("padding", "x" * 9_000),))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert running.users.calls == 0
        assert await still_serves(running)


def of_size(size: int) -> UpdateUserRequest:
    """Return a request with so many bytes."""
    request = UpdateUserRequest(user=User(id="user1", name="x" * size))
    request.user.name = "x" * (2 * size - request.ByteSize())
    assert request.ByteSize() == size
    return request


async def test_a_message_over_4_mib_is_refused_and_the_service_stays_up() -> None:
    """RESOURCE_EXHAUSTED would say that it may be sent again later."""
    async with served() as running:
        with pytest.raises(aio.AioRpcError) as refused:
            await running.stub.UpdateUser(of_size(MAX_REQUEST_BYTES + 1))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert reason_of(refused.value) == "REQUEST_TOO_LARGE"
        assert str(MAX_REQUEST_BYTES) in str(refused.value.details())
        assert running.users.calls == 0
        await running.stub.UpdateUser(of_size(MAX_REQUEST_BYTES))
        assert await still_serves(running)


async def test_a_message_beyond_what_grpc_takes_is_refused_and_the_service_stays_up() -> None:
    """G5."""
    async with served() as running:
        with pytest.raises(aio.AioRpcError) as refused:
            await running.stub.UpdateUser(of_size(4 * MAX_REQUEST_BYTES + 1))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert running.users.calls == 0
        assert await still_serves(running)


async def test_bytes_that_are_no_message_are_refused_and_the_service_stays_up() -> None:
    """G5: garbage, a gzip file and messages nested too deeply."""
    nested = b""
    for _ in range(200):
        nested = b"\x0b" + nested + b"\x0c"
    async with served() as running, aio.insecure_channel(running.address) as channel:
        for body in (b"\xff" * 100, gzip.compress(b"0" * 1_000), nested):
            with pytest.raises(aio.AioRpcError) as refused:
                await raw(channel, f"/{SERVICE}/GetUser")(body, metadata=running.channel.metadata())
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason_of(refused.value) == "MALFORMED_REQUEST"
        assert running.users.calls == 0
        assert await still_serves(running)


async def test_an_rpc_that_does_not_exist_is_unimplemented() -> None:
    async with served() as running, aio.insecure_channel(running.address) as channel:
        for method in (f"/{SERVICE}/Nothing", "/no.Service/Nothing", "/grpc.channelz.v1.Channelz/GetServers"):
            with pytest.raises(aio.AioRpcError) as refused:
                await raw(channel, method)(b"", metadata=running.channel.metadata())
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "value", [None, "garbage", Signer("tests", {"identity": b"x" * 32})("identity")], ids=["none", "garbage", "forged"]
)
async def test_a_call_without_a_valid_actor_never_reaches_the_servicer(value: str | None) -> None:
    """G3."""
    metadata = () if value is None else ((METADATA_KEY, value),)
    async with served() as running, aio.insecure_channel(running.address) as channel:
        with pytest.raises(aio.AioRpcError) as refused:
            await UserServiceStub(channel).GetUser(ME, metadata=metadata)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert running.users.calls == 0


async def test_a_request_that_lacks_what_is_required_never_reaches_the_servicer() -> None:
    async with served() as running:
        with pytest.raises(aio.AioRpcError) as refused:
            await running.stub.DeleteUser(DeleteUserRequest())
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert running.users.calls == 0


async def test_health_is_open_and_follows_the_store() -> None:
    """G4, R36: live and not ready while the store is away, and ready by itself when it comes."""
    there = asyncio.Event()

    async def ping() -> None:
        if not there.is_set():
            raise ConnectionError("mysql://root:hunter2@db.internal")

    async with served(ping=ping) as running:
        assert await health(running.address) == await health(running.address, "store") == NOT_SERVING
        there.set()
        assert await health(running.address, "store") == SERVING
        async with aio.insecure_channel(running.address) as channel:
            statuses = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5)
            async for answer in statuses:
                if answer.status == SERVING:
                    break


async def test_both_health_calls_know_the_same_names() -> None:
    async with served() as running, aio.insecure_channel(running.address) as channel:
        everything: Any = health_pb2.HealthListRequest()  # type: ignore[attr-defined]  # newer than its types
        names = (await health_stub(channel).List(everything)).statuses
        assert set(names) == {"", "store", CALLS, SERVICE}
        for name in (*names, "nothing"):
            watched = aiter(health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=name), timeout=5))
            known = (await anext(watched)).status != health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            if known:
                assert await health(running.address, name) == SERVING
            else:
                with pytest.raises(aio.AioRpcError) as refused:
                    await health(running.address, name)
                assert refused.value.code() is grpc.StatusCode.NOT_FOUND
            assert known is (name in names)


async def test_a_watch_of_the_store_follows_it() -> None:
    there = asyncio.Event()

    async def ping() -> None:
        if not there.is_set():
            raise ConnectionError

    async with served(ping=ping) as running, aio.insecure_channel(running.address) as channel:
        watched = aiter(health_stub(channel).Watch(health_pb2.HealthCheckRequest(service="store"), timeout=5))
        assert (await anext(watched)).status == NOT_SERVING
        there.set()
        assert (await anext(watched)).status == SERVING


async def test_at_the_end_health_says_so_first_and_calls_under_way_are_answered() -> None:
    """R10."""
    begun, release = asyncio.Event(), asyncio.Event()

    async def answer(request: GetUserRequest, context: Context) -> User:
        begun.set()
        await release.wait()
        return User(id=request.user_id)

    server = Server("identity", settings(grace_seconds=5), 0, policy=POLICY, ping=answers)
    server.add(SERVICE, add_UserServiceServicer_to_server, Users(answer))
    address = f"127.0.0.1:{server.port}"
    running = asyncio.create_task(server.run())
    async with aio.insecure_channel(address) as channel, aio.insecure_channel(address) as observer:
        signer = Signer("tests", {"identity": KEY})
        call = UserServiceStub(channel).GetUser(ME, metadata=((METADATA_KEY, signer("identity")),), wait_for_ready=True)
        await asyncio.wait_for(begun.wait(), 5)
        statuses = aiter(health_stub(observer).Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(statuses)).status == SERVING
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await anext(statuses)).status == NOT_SERVING
        assert not running.done()
        release.set()
        assert (await call).id == "user1"
    await asyncio.wait_for(running, 6)


class Watched(CacheServiceServicer):
    """A stream of one answer that waits, and notes when it was closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def Watch(self, requests: AsyncIterator[WatchRequest], context: Context) -> AsyncIterator[WatchResponse]:
        try:
            async for request in requests:
                yield WatchResponse(tick_ns=request.tick_ns)
        finally:
            self.closed.set()


async def test_a_stream_outlives_the_limit_of_calls_and_is_closed_when_its_reader_leaves() -> None:
    """R6."""
    methods = CACHE.services_by_name["CacheService"].methods
    policy = {f"trivet.cache.v1.CacheService/{method.name}": Rule(People.NONE, services=TESTS) for method in methods}
    server, watched = Server("cache", settings(call_limit_seconds=0.05), 0, policy=policy, ping=answers), Watched()  # type: ignore[abstract]  # of the RPCs one is called
    server.add("trivet.cache.v1.CacheService", add_CacheServiceServicer_to_server, watched)
    metadata = ((METADATA_KEY, Signer("tests", {"cache": KEY})("cache")),)
    async with server.serving(), aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = CacheServiceStub(channel).Watch(metadata=metadata)
        for tick in (1, 2):
            await call.write(WatchRequest(tick_ns=tick))
            answer = await call.read()
            assert isinstance(answer, WatchResponse)
            assert answer.tick_ns == tick
            await asyncio.sleep(0.1)  # longer than any unary call may take here
        call.cancel()
        await until(watched.closed.is_set)
