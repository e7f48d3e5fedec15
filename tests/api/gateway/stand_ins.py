"""Services for the gateway to call, in the test's own loop: real stubs, real interceptors, answers from the test."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from ops.keys.pair_keys import pair_key
from runtime.errors import NotFound, Unavailable
from runtime.rpc.actor import current_actor
from runtime.rpc.caching.lease import current_lease
from runtime.rpc.policy import GATEWAY, People, Rule
from runtime.rpc.server import Server
from runtime.settings import Keys, ServiceSettings
from tests.harness.processes import SECRET
from trivet.cache.v1 import cache_pb2, cache_pb2_grpc
from trivet.client import Actor
from trivet.client.near.lease import format_lease
from trivet.identity.v1 import (
    session_service_pb2,
    session_service_pb2_grpc,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
    user_admin_service_pb2,
    user_admin_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)
from trivet.identity.v1.resources_pb2 import ROLE_ADMIN, ROLE_USER, Session, User
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest, VerifySessionResponse
from trivet.notifications.v1 import (
    log_service_pb2,
    log_service_pb2_grpc,
    mailbox_service_pb2,
    mailbox_service_pb2_grpc,
    notification_service_pb2,
    notification_service_pb2_grpc,
)
from trivet.notifications.v1.log_service_pb2 import LogEntry

USER_ID, ADMIN_ID = "u" * 32, "a" * 32
TOKENS = {"U" * 32: (USER_ID, ROLE_USER), "A" * 32: (ADMIN_ID, ROLE_ADMIN)}
USER, ADMIN = ({"authorization": f"Bearer {token}"} for token in TOKENS)

SERVED = {
    "identity": (
        (session_service_pb2, session_service_pb2_grpc, "SessionService"),
        (user_service_pb2, user_service_pb2_grpc, "UserService"),
        (user_admin_service_pb2, user_admin_service_pb2_grpc, "UserAdminService"),
        (subscription_service_pb2, subscription_service_pb2_grpc, "SubscriptionService"),
    ),
    "notifications": (
        (notification_service_pb2, notification_service_pb2_grpc, "NotificationService"),
        (mailbox_service_pb2, mailbox_service_pb2_grpc, "MailboxService"),
        (log_service_pb2, log_service_pb2_grpc, "LogService"),
    ),
    "cache": ((cache_pb2, cache_pb2_grpc, "CacheService"),),
}

Answer = Message | Exception | Callable[[Any], Any]


@dataclass
class Call:
    """One RPC that came."""

    name: str
    request: Any
    actor: Actor
    lease: str = ""


@dataclass
class StandIns:
    """What the services were asked, and what they answer: an empty message unless a test says otherwise."""

    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    stores_up: bool = True

    def reset(self) -> None:
        """Forget everything, and answer as services at ease do."""
        self.calls.clear()
        self.stores_up = True
        self.answers = {"VerifySession": verify, "Get": cache_pb2.GetResponse(), "BatchGet": nothing_known}

    def last(self, name: str) -> Call:
        return next(call for call in reversed(self.calls) if call.name == name)

    def log_entries(self, request_id: str) -> list[LogEntry]:
        """Return what the gateway has logged of the requests with this id."""
        written = (entry for call in self.calls if call.name == "WriteLogs" for entry in call.request.entries)
        return [entry for entry in written if entry.attributes["requestId"] == request_id]

    async def ping(self) -> None:
        if not self.stores_up:
            raise Unavailable("STORE_UNAVAILABLE", "the store is away")


class Scripted:
    """A servicer whose every RPC answers what the stand-ins say."""

    def __init__(self, service: Any, stand_ins: StandIns) -> None:
        self._methods = {method.name: method for method in service.methods}
        self._stand_ins = stand_ins

    def __getattr__(self, name: str) -> Any:
        if name == "StreamGet":
            return self._looked_up
        return partial(self._answer, self._methods[name])

    async def _answer(self, method: Any, request: Any, context: Any) -> Any:
        lease = current_lease.get()
        call = Call(method.name, request, current_actor.get(), format_lease(lease) if lease else "")
        self._stand_ins.calls.append(call)
        answer = self._stand_ins.answers.get(method.name, GetMessageClass(method.output_type)())
        if callable(answer):
            answer = answer(request)
            answer = await answer if inspect.isawaitable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _looked_up(
        self, requests: AsyncIterator[cache_pb2.StreamGetRequest], context: Any
    ) -> AsyncIterator[cache_pb2.StreamGetResponse]:
        """Answer batches on a stream as Get and BatchGet would each by itself."""
        async for request in requests:
            if len(request.keys) > 1:
                many = cache_pb2.BatchGetRequest(namespace=request.namespace, keys=request.keys, claim=request.claim)
                lookups = (await self._answer(self._methods["BatchGet"], many, context)).lookups
            else:
                one = cache_pb2.GetRequest(namespace=request.namespace, key=request.keys[0], claim=request.claim)
                lookups = [(await self._answer(self._methods["Get"], one, context)).lookup]
            yield cache_pb2.StreamGetResponse(lookups=lookups)


def nothing_known(request: cache_pb2.BatchGetRequest) -> cache_pb2.BatchGetResponse:
    """Know as little of many keys as of one."""
    return cache_pb2.BatchGetResponse(lookups=[cache_pb2.Lookup() for _ in request.keys])


def verify(request: VerifySessionRequest) -> VerifySessionResponse:
    """Know two people by their tokens."""
    if request.token not in TOKENS:
        raise NotFound("SESSION_NOT_FOUND", "no such session")
    user_id, role = TOKENS[request.token]
    user = User(id=user_id, email=f"{user_id[:1]}@x.io", role=role)
    session = Session(id="s" * 32, user_id=user_id, expire_time=Timestamp(seconds=4_000_000_000))
    return VerifySessionResponse(user=user, session=session)


@asynccontextmanager
async def standing_in() -> AsyncIterator[StandIns]:
    """Serve all three services on free ports."""
    stand_ins = StandIns()
    stand_ins.reset()
    async with AsyncExitStack() as stack:
        for process, services in SERVED.items():
            server = Server(process, _settings(process), 0, policy=_policy(services), ping=stand_ins.ping)
            for pb2, pb2_grpc, name in services:
                service = pb2.DESCRIPTOR.services_by_name[name]
                add = getattr(pb2_grpc, f"add_{name}Servicer_to_server")
                server.add(service.full_name, add, Scripted(service, stand_ins))
            await stack.enter_async_context(server.serving())
            stand_ins.addresses[f"TRIVET_{process.upper()}_ADDRESS"] = f"127.0.0.1:{server.port}"
        yield stand_ins


def _settings(process: str) -> ServiceSettings:
    keys = Keys({caller: pair_key(SECRET, caller, process) for caller in ("gateway", "tests")})
    return ServiceSettings(accept_keys=keys)


def _policy(services: Any) -> dict[str, Rule]:
    return {
        f"{pb2.DESCRIPTOR.services_by_name[name].full_name}/{method.name}": Rule(People.THEMSELVES, services=GATEWAY)
        for pb2, _, name in services
        for method in pb2.DESCRIPTOR.services_by_name[name].methods
    }


async def never(_: Any) -> Any:
    """An RPC that never answers by itself."""
    await asyncio.Event().wait()
