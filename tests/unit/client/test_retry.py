"""Only what may be repeated is tried again, and within a budget."""

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from grpc import aio

from tests.harness.rpc import KEY, SERVICE, raw
from trivet import client
from trivet.client import connect, retry
from trivet.client.actor import Signer
from trivet.client.methods import methods
from trivet.client.retry import POLICY, service_config
from trivet.identity.v1.user_service_pb2 import DeleteUserRequest, GetUserRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub

PROTOS = Path(client.__file__).parent.parent
PROCESSES = ("identity", "notifications", "cache")
SAYS_SO = re.compile(r"idempotency_level = (NO_SIDE_EFFECTS|IDEMPOTENT)")


def retried(audience: str) -> set[tuple[str, str]]:
    (config,) = json.loads(service_config(audience))["methodConfig"]
    return {(name["service"], name["method"]) for name in config["name"]}


def declared(audience: str) -> dict[tuple[str, str], bool]:
    """Return every RPC in a process's .proto files, read as text, and whether its text says that it is repeatable."""
    found: dict[tuple[str, str], bool] = {}
    for path in (PROTOS / audience).rglob("*.proto"):
        text = re.sub(r"//.*", "", path.read_text())
        for service in re.finditer(r"^service (\w+) \{(.*?)^\}", text, re.DOTALL | re.MULTILINE):
            for rpc in re.finditer(r"rpc (\w+)\(.*?(?=rpc \w+\(|\Z)", service[2], re.DOTALL):
                found[f"trivet.{audience}.v1.{service[1]}", rpc[1]] = SAYS_SO.search(rpc[0]) is not None
    return found


@pytest.mark.parametrize("audience", PROCESSES)
def test_exactly_the_rpcs_that_say_so_are_retried(audience: str) -> None:
    """R7: a call that is not idempotent is never sent twice."""
    rpcs = declared(audience)
    assert {name for name, is_repeatable in rpcs.items() if is_repeatable} == retried(audience)
    assert {(each.containing_service.full_name, each.name) for each in methods(audience)} == rpcs.keys()


def test_a_process_that_the_package_does_not_know_has_no_rpcs() -> None:
    assert retried("billing") == retried("client") == set()


def test_what_makes_or_adds_something_is_not_among_them() -> None:
    names = {name for audience in PROCESSES for _, name in retried(audience)}
    assert not names & {"SignUp", "SignIn", "CreateNotification", "Increment", "WriteLogs", "Acquire", "ChangePassword"}
    assert {"GetUser", "VerifySession", "ListNotifications", "Invalidate", "EraseUserData", "ListAuditEvents"} <= names


def test_each_name_is_given_so_that_no_default_catches_the_rest() -> None:
    """A service config name without a method would cover every RPC of its service."""
    assert all(service and method for audience in PROCESSES for service, method in retried(audience))


Handler = Callable[[bytes, aio.ServicerContext[bytes, bytes]], Awaitable[bytes]]


class Down:
    """A service that answers nothing but UNAVAILABLE, and counts how often it was asked."""

    def __init__(self) -> None:
        self.attempts = 0
        self._server = aio.server()
        names = [method.name for method in methods("identity") if method.containing_service.full_name == SERVICE]
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self._refuse)
        self._server.add_registered_method_handlers(SERVICE, dict.fromkeys(names, handler))
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    async def _refuse(self, request: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
        self.attempts += 1
        await context.abort(grpc.StatusCode.UNAVAILABLE, "down")

    async def __aenter__(self) -> "Down":
        await self._server.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.stop(None)


async def call(stub: UserServiceStub, times: int) -> None:
    for _ in range(times):
        with pytest.raises(aio.AioRpcError) as failed:
            await stub.GetUser(GetUserRequest(user_id="user1"))
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


def channel_to(down: Down) -> aio.Channel:
    return connect(f"127.0.0.1:{down.port}", "identity", Signer("tests", {"identity": KEY}), timeout=5)


async def test_a_repeatable_call_is_tried_three_times_and_another_once() -> None:
    """R7."""
    async with Down() as down, channel_to(down) as channel:
        stub = UserServiceStub(channel)
        await call(stub, 1)
        assert down.attempts == POLICY["maxAttempts"] == 3
        with pytest.raises(aio.AioRpcError):
            await stub.DeleteUser(DeleteUserRequest(user_id="user1"))
        assert down.attempts == 4


async def test_a_dead_service_is_not_called_more_often_than_it_is_asked() -> None:
    """R7: attempts <= 1.1 x requests once throttling has begun (google SRE's retry budget, gRFC A6)."""
    async with Down() as down, channel_to(down) as channel:
        stub = UserServiceStub(channel)
        await call(stub, 10)  # spends the tokens
        before = down.attempts
        await call(stub, 100)
        assert down.attempts - before <= 110


async def test_without_the_budget_it_is_called_three_times_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """R7 with the protection off."""
    monkeypatch.setitem(retry.POLICY, "initialBackoff", "0.01s")
    monkeypatch.setattr(retry, "THROTTLING", {"maxTokens": 1000, "tokenRatio": 1})
    async with Down() as down, channel_to(down) as channel:
        await call(UserServiceStub(channel), 50)
        assert down.attempts == 150


async def test_the_servers_own_refusals_are_not_retried() -> None:
    """Only UNAVAILABLE is: RESOURCE_EXHAUSTED means that the server has too much to do already."""
    assert POLICY["retryableStatusCodes"] == ["UNAVAILABLE"]
    async with Down() as down, aio.insecure_channel(f"127.0.0.1:{down.port}") as bare:
        with pytest.raises(aio.AioRpcError):
            await raw(bare, f"/{SERVICE}/GetUser")(b"")
        assert down.attempts == 1, "and a plain channel has no policy at all"
