"""What a service refuses of the gateway itself is a failure of the stack, with a line that names what to mend."""

import time

import grpc
import pytest
from grpc import aio

from gateway.own_calls import BLAMING, LOG_EVERY_SECONDS, OwnChannel
from runtime.errors import Unauthenticated
from runtime.rpc.interceptor_chain import Context
from runtime.rpc.policy import People, Rule
from tests.harness.rpc import KEY, SERVICE, served
from trivet.client import Signer, acting_for, reason_of
from trivet.client.errors import status_of
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub

ME = GetUserRequest(user_id="user1")
TEN_MINUTES = 600
KEYS = {"identity": KEY}


async def failure(address: str, signer: Signer) -> aio.AioRpcError:
    async with OwnChannel.open(address, "identity", signer) as channel:
        with pytest.raises(aio.AioRpcError) as failed:
            await UserServiceStub(channel).GetUser(ME)
    return failed.value


@pytest.mark.parametrize(
    ("signer", "says"),
    [
        (Signer("tests", {"identity": b"o" * 32}), "TRIVET_CALL_KEYS"),
        (Signer("tests", {"cache": KEY}), "TRIVET_CALL_KEYS"),
        (Signer("tests", KEYS, now=lambda: time.time() - TEN_MINUTES), "clocks"),
        (Signer("tests", KEYS, now=lambda: time.time() + TEN_MINUTES), "clocks"),
    ],
    ids=["another key", "no key", "a slow clock", "a fast clock"],
)
async def test_a_refused_signature_is_unavailable_and_the_log_names_key_or_clock(
    signer: Signer, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as running:
        failed = await failure(running.address, signer)
    assert (failed.code(), status_of(failed)) == (grpc.StatusCode.UNAVAILABLE, None)
    (line,) = caplog.records
    assert line.levelname == "ERROR"
    assert "identity refuses the gateway's own calls" in line.getMessage()
    assert says in line.getMessage()


@pytest.mark.parametrize("rule", [None, Rule(People.THEMSELVES, services=frozenset({"billing"}))])
async def test_a_policy_that_does_not_know_the_gateway_is_unavailable(
    rule: Rule | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as running:
        monkeypatch.setattr(running.server._interceptors[5], "_policy", {f"{SERVICE}/GetUser": rule} if rule else {})
        failed = await failure(running.address, Signer("tests", KEYS))
    assert failed.code() is grpc.StatusCode.UNAVAILABLE
    assert "policy" in caplog.records[-1].getMessage()


async def test_what_a_person_is_refused_stays_theirs(caplog: pytest.LogCaptureFixture) -> None:
    async def banned(request: GetUserRequest, context: Context) -> User:
        raise Unauthenticated("INVALID_EMAIL_OR_PASSWORD", "no")

    async with served(banned) as running:
        channel = OwnChannel.open(running.address, "identity", Signer("tests", KEYS))
        async with channel:
            with acting_for("user2", "user"), pytest.raises(aio.AioRpcError) as not_theirs:
                await UserServiceStub(channel).GetUser(ME)
            with pytest.raises(aio.AioRpcError) as wrong:
                await UserServiceStub(channel).GetUser(ME)
    assert (not_theirs.value.code(), reason_of(not_theirs.value)) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_YOURS")
    assert reason_of(wrong.value) == "INVALID_EMAIL_OR_PASSWORD"
    assert caplog.records == []


async def test_the_line_is_written_now_and_then_however_many_calls_fail(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served() as running:
        channel = OwnChannel.open(running.address, "identity", Signer("tests", {"identity": b"o" * 32}))
        async with channel:
            for expected in (1, 1, 2):
                if expected == 2:
                    monkeypatch.setattr(channel, "_logged_at", channel._logged_at - LOG_EVERY_SECONDS)
                with pytest.raises(aio.AioRpcError):
                    await UserServiceStub(channel).GetUser(ME)
                assert len(caplog.records) == expected


async def blamed(code: grpc.StatusCode, details: str) -> aio.AioRpcError:
    """Return what a call fails with at a server that is not ours and refuses with a bare code."""

    async def refuse(_: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
        await context.abort(code, details)

    server = aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(refuse)
    server.add_registered_method_handlers(SERVICE, {"GetUser": handler})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        return await failure(f"127.0.0.1:{port}", Signer("tests", KEYS))
    finally:
        await server.stop(None)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code in BLAMING])
async def test_a_refusal_that_no_service_of_ours_wrote_blames_no_person(
    code: grpc.StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    """A mesh's RBAC, a proxy's 401, gRPC's own limits: the service says nothing, so no person is told that they err."""
    failed = await blamed(code, "RBAC: access denied")
    assert (failed.code(), failed.details()) == (grpc.StatusCode.UNAVAILABLE, None)
    assert f"{code.name}: RBAC: access denied" in caplog.records[-1].getMessage()


async def test_a_bare_failure_that_blames_nobody_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    assert (await blamed(grpc.StatusCode.INTERNAL, "oops")).code() is grpc.StatusCode.INTERNAL
    assert caplog.records == []
