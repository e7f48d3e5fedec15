"""A server with Trivet's interceptors inside the test's own process, and a servicer that does what the test says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from google.protobuf.empty_pb2 import Empty
from grpc import aio

from runtime.rpc.caching.fills import CacheFills
from runtime.rpc.interceptor_chain import Context
from runtime.rpc.policy import People, Policy, Rule
from runtime.rpc.server import Server
from runtime.settings import Keys, ServiceSettings
from trivet.client import Channel, Signer, connect
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import (
    DeleteUserRequest,
    GetUserRequest,
    ListUsersRequest,
    ListUsersResponse,
    UpdateUserRequest,
)
from trivet.identity.v1.user_service_pb2_grpc import (
    UserServiceServicer,
    UserServiceStub,
    add_UserServiceServicer_to_server,
)

SERVICE = "trivet.identity.v1.UserService"
KEY = b"a key of thirty-two bytes, or so"
TESTS = frozenset({"tests"})
POLICY: Policy = {
    f"{SERVICE}/GetUser": Rule(People.THEMSELVES, services=TESTS, owner="user_id"),
    f"{SERVICE}/UpdateUser": Rule(People.THEMSELVES, services=TESTS, owner="user.id"),
    f"{SERVICE}/DeleteUser": Rule(People.ADMINS, services=TESTS),
    f"{SERVICE}/ListUsers": Rule(People.NONE, services=TESTS | {"gateway", "identity"}),
}

Answer = Callable[[GetUserRequest, Context], Awaitable[User]]


async def nobody(request: GetUserRequest, context: Context) -> User:
    return User(id=request.user_id)


async def answers() -> None:
    """A store that is there."""


@dataclass
class Users(UserServiceServicer):
    """Real stubs over no store: `answer` is what GetUser does, `calls` how often anything was called."""

    answer: Answer = nobody
    calls: int = 0

    async def GetUser(self, request: GetUserRequest, context: Context) -> User:
        self.calls += 1
        return await self.answer(request, context)

    async def UpdateUser(self, request: UpdateUserRequest, context: Context) -> User:
        self.calls += 1
        return request.user

    async def DeleteUser(self, request: DeleteUserRequest, context: Context) -> Empty:
        self.calls += 1
        return Empty()

    async def ListUsers(self, request: ListUsersRequest, context: Context) -> ListUsersResponse:
        self.calls += 1
        return ListUsersResponse()


@dataclass
class Served:
    """A running server, and what speaks to it as the program `tests`."""

    server: Server
    users: Users
    channel: Channel
    stub: UserServiceStub = field(init=False)

    def __post_init__(self) -> None:
        self.stub = UserServiceStub(self.channel)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"


def settings(**values: object) -> ServiceSettings:
    keys = Keys(tests=KEY)
    return ServiceSettings(accept_keys=keys, people_callers=("tests",), **values)  # type: ignore[arg-type]  # as the test says


@asynccontextmanager
async def served(
    answer: Answer = nobody,
    *,
    configured: ServiceSettings | None = None,
    ping: Callable[[], Awaitable[None]] = answers,
    timeout: float = 5.0,
    fills: CacheFills | None = None,
) -> AsyncIterator[Served]:
    """Serve UserService on a free port as the process `identity`."""
    users = Users(answer)
    server = Server("identity", configured or settings(), 0, policy=POLICY, ping=ping, fills=fills)
    server.add(SERVICE, add_UserServiceServicer_to_server, users)
    channel = connect(f"127.0.0.1:{server.port}", "identity", Signer("tests", {"identity": KEY}), timeout=timeout)
    async with server.serving(), channel:
        await channel.channel_ready()  # so that a short deadline is the call's alone
        yield Served(server, users, channel)


def raw(channel: aio.Channel, method: str) -> aio.UnaryUnaryMultiCallable[bytes, bytes]:
    """Return a call of an RPC that sends and answers bytes as they are."""
    call: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    return call
