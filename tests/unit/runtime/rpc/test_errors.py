"""What a handler raises, as its caller sees it."""

import asyncio
import logging

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc import aio

from runtime import errors
from runtime.errors import InvalidArgument, NotFound, ResourceExhausted, ServiceError
from runtime.rpc.interceptor_chain import Context
from runtime.rpc.interceptors import handled
from tests.harness.rpc import SERVICE, raw, served
from tests.harness.waiting import until
from trivet.client import reason_of
from trivet.client.errors import status_of
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest

KINDS = sorted(ServiceError.__subclasses__(), key=lambda kind: kind.code)
CANARY = "mysql://root:hunter2@db.internal SELECT secret FROM users"


async def failing_with(error: BaseException) -> aio.AioRpcError:
    async def answer(request: GetUserRequest, context: Context) -> User:
        raise error

    async with served(answer) as running:
        with pytest.raises(aio.AioRpcError) as failed:
            await running.stub.GetUser(GetUserRequest(user_id="user1"))
        return failed.value


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
async def test_each_error_arrives_as_its_status_with_its_reason(kind: type[ServiceError]) -> None:
    failed = await failing_with(kind("SOME_REASON", "a sentence"))
    assert (failed.code().name, failed.details(), reason_of(failed)) == (kind.code, "a sentence", "SOME_REASON")


def test_every_code_that_a_service_may_fail_with_is_one_of_grpcs() -> None:
    assert {kind.code for kind in KINDS} <= {code.name for code in grpc.StatusCode}
    assert len(KINDS) == len({kind.code for kind in KINDS}) == 11


async def test_metadata_the_field_at_fault_and_the_time_to_wait_travel_as_details() -> None:
    status = status_of(await failing_with(NotFound("GONE", "it is gone", user_id="user1")))
    info = ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    assert (info.domain, dict(info.metadata)) == ("trivet", {"user_id": "user1"})

    status = status_of(await failing_with(InvalidArgument("BAD", "no good", field="user.name")))
    bad = BadRequest()
    assert status is not None
    assert status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == "user.name"

    status = status_of(await failing_with(ResourceExhausted("FULL", "wait", retry_after=1.5)))
    retry = RetryInfo()
    assert status is not None
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1_500


async def test_what_nobody_expected_leaves_without_a_word_but_with_a_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """G7."""
    failed = await failing_with(RuntimeError(CANARY))
    assert (failed.code(), failed.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert "hunter2" not in f"{failed!r} {failed.trailing_metadata()} {failed.debug_error_string()}"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.records[0].exc_info is not None
    assert "hunter2" in caplog.text, "whoever mends it must find it somewhere"


async def test_without_the_interceptor_the_text_would_cross() -> None:
    """What Errors protects from: grpc itself sends an exception's words to the caller."""

    async def leaks(request: bytes, context: Context) -> bytes:
        raise RuntimeError(CANARY)

    server = aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Leak": grpc.unary_unary_rpc_method_handler(leaks)}
    server.add_registered_method_handlers("bare.Service", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(aio.AioRpcError, match="hunter2"):
            await raw(channel, "/bare.Service/Leak")(b"")
    await server.stop(None)


def count(code: str) -> float:
    return float(handled.of(f"{SERVICE}/GetUser", code).value)


@pytest.mark.parametrize(
    ("error", "code"), [(None, "OK"), (NotFound("GONE", "gone"), "NOT_FOUND"), (RuntimeError("boom"), "INTERNAL")]
)
async def test_every_call_is_counted_under_the_code_that_its_caller_saw(error: Exception | None, code: str) -> None:
    before = count(code)

    async def answer(request: GetUserRequest, context: Context) -> User:
        if error is not None:
            raise error
        return User()

    async with served(answer) as running:
        call = running.stub.GetUser(GetUserRequest(user_id="user1"))
        assert (await call.code()).name == code
    assert count(code) == before + 1


async def test_a_call_that_its_caller_gave_up_is_cancelled_and_counted_so(caplog: pytest.LogCaptureFixture) -> None:
    """R6: nothing goes on for it, and nobody calls it a failure of ours."""
    before, begun, ended = count("CANCELLED"), asyncio.Event(), asyncio.Event()

    async def answer(request: GetUserRequest, context: Context) -> User:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return User()

    async with served(answer) as running:
        call = running.stub.GetUser(GetUserRequest(user_id="user1"))
        await begun.wait()
        call.cancel()
        await asyncio.wait_for(ended.wait(), 2)
        await until(lambda: count("CANCELLED") == before + 1)
    assert caplog.records == []


def test_the_list_is_closed() -> None:
    """A new kind of failure is added here and to the gateway's table, or not at all."""
    assert {kind.__name__ for kind in KINDS} == {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__base__ is ServiceError
    }
