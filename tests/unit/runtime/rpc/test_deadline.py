"""Every call ends in time, and tells those it calls how little is left."""

import asyncio
import time

import grpc
import pytest
from grpc import aio

from runtime.rpc.interceptor_chain import Context
from runtime.rpc.interceptors import handled
from tests.harness.rpc import SERVICE, served, settings
from tests.harness.waiting import taking, until
from trivet.client import deadline_of, reason_of, remaining, within
from trivet.client.deadline import HOP_SECONDS
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest


def test_work_inside_has_no_more_time_than_what_is_around_it() -> None:
    assert remaining(2.0) == 2.0
    with within(10):
        assert remaining(2.0) == 2.0
        with within(1):
            assert 0.9 < remaining(2.0) <= 1 - HOP_SECONDS
            with within(5):
                assert remaining(2.0) <= 1 - HOP_SECONDS
            with within(None):
                assert remaining(2.0) == 2.0
        with within(-1):
            assert remaining(2.0) == 0.0


def test_a_deadline_is_a_monotonic_time() -> None:
    assert 4.9 < deadline_of(5) - time.monotonic() <= 5


async def test_each_hop_gives_the_next_less_than_it_has_left() -> None:
    """R5."""
    left: list[float] = []

    async with served() as second, served() as first:

        async def hop(request: GetUserRequest, context: Context) -> User:
            left.append(context.time_remaining() or 0)
            return await second.stub.GetUser(request)

        async def last(request: GetUserRequest, context: Context) -> User:
            left.append(context.time_remaining() or 0)
            return User()

        first.users.answer, second.users.answer = hop, last
        await first.stub.GetUser(GetUserRequest(user_id="user1"), timeout=0.3)
    assert 0 < left[1] < left[0] < 0.31  # gRPC sends whole milliseconds, rounded up


async def test_without_the_interceptor_a_hop_would_give_its_own_default() -> None:
    """What passing it on protects from: five seconds of work for a caller who left after 0.3."""
    left: list[float] = []

    async def last(request: GetUserRequest, context: Context) -> User:
        left.append(context.time_remaining() or 0)
        return User()

    async with served() as second, served() as first:
        second.users.answer = last

        async def hop(request: GetUserRequest, context: Context) -> User:
            with within(None):
                return await second.stub.GetUser(request)

        first.users.answer = hop
        await first.stub.GetUser(GetUserRequest(user_id="user1"), timeout=0.3)
    assert left[0] > 4


async def asleep(request: GetUserRequest, context: Context) -> User:
    await asyncio.Event().wait()
    return User()


async def test_a_caller_that_sent_no_deadline_is_answered_by_ours() -> None:
    """R5: nothing waits for ever, whatever the caller forgot."""
    async with served(asleep, configured=settings(call_limit_seconds=0.1)) as running:
        with taking(0.09, 4), pytest.raises(aio.AioRpcError) as late:  # the stub itself would wait for five
            await running.stub.GetUser(GetUserRequest(user_id="user1"))
        assert (late.value.code(), reason_of(late.value)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_when_the_callers_deadline_passes_the_work_for_it_stops(caplog: pytest.LogCaptureFixture) -> None:
    """R5: no work goes on for a caller who has given up; it is no failure worth a traceback."""
    counted = handled.of(f"{SERVICE}/GetUser", "DEADLINE_EXCEEDED")
    before, ended = counted.value, asyncio.Event()

    async def answer(request: GetUserRequest, context: Context) -> User:
        try:
            return await asleep(request, context)
        finally:
            ended.set()

    async with served(answer) as running:
        with pytest.raises(aio.AioRpcError):
            await running.stub.GetUser(GetUserRequest(user_id="user1"), timeout=0.1)
        await asyncio.wait_for(ended.wait(), 2)
        await until(lambda: counted.value == before + 1)
    assert caplog.records == []
