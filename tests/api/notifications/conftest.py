"""One notifications process over SecantusDB, called as the program `tests` or for a person."""

from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc import aio
from pymongo import AsyncMongoClient

from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness.processes import Process, client, process
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Channel, reason_of
from trivet.client.errors import status_of
from trivet.notifications.v1 import notification_service_pb2 as pb
from trivet.notifications.v1.audit_service_pb2_grpc import AuditServiceStub
from trivet.notifications.v1.log_service_pb2_grpc import LogServiceStub
from trivet.notifications.v1.mailbox_service_pb2_grpc import MailboxServiceStub
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub
from trivet.notifications.v1.preference_service_pb2_grpc import PreferenceServiceStub
from trivet.notifications.v1.user_data_service_pb2_grpc import UserDataServiceStub


@dataclass
class Api:
    """The stubs of one channel."""

    channel: Channel
    notifications: NotificationServiceStub = field(init=False)
    preferences: PreferenceServiceStub = field(init=False)
    mailbox: MailboxServiceStub = field(init=False)
    logs: LogServiceStub = field(init=False)
    audit: AuditServiceStub = field(init=False)
    data: UserDataServiceStub = field(init=False)

    def __post_init__(self) -> None:
        self.notifications = NotificationServiceStub(self.channel)
        self.preferences = PreferenceServiceStub(self.channel)
        self.mailbox = MailboxServiceStub(self.channel)
        self.logs = LogServiceStub(self.channel)
        self.audit = AuditServiceStub(self.channel)
        self.data = UserDataServiceStub(self.channel)

    async def create(self, user_id: str, title: str = "Hello", **values: Any) -> pb.Notification:
        notification = pb.Notification(user_id=user_id, title=title, **values)
        return await self.notifications.CreateNotification(pb.CreateNotificationRequest(notification=notification))


@dataclass(frozen=True)
class Refusal:
    """How a call failed: the code, the reason, and the fields it named."""

    code: grpc.StatusCode
    reason: str
    fields: tuple[str, ...] = ()


async def refusal(call: Coroutine[Any, Any, Any] | aio.UnaryUnaryCall[Any, Any]) -> Refusal:
    """Return how the call fails; fails the test if it does not."""
    with pytest.raises(aio.AioRpcError) as failed:
        await call
    status, bad, fields = status_of(failed.value), BadRequest(), []
    for detail in status.details if status else ():
        if detail.Unpack(bad):
            fields += [violation.field for violation in bad.field_violations]
    return Refusal(failed.value.code(), reason_of(failed.value), tuple(fields))


@pytest.fixture(scope="package")
def mongodb_url(engine: Engines) -> str:
    return f"{engine.get('secantusdb').url}/trivet_api_{new_id()}"


@pytest.fixture(scope="package")
def running(mongodb_url: str) -> Iterator[Process]:
    with process("notifications", MONGODB_URI=mongodb_url) as started:
        yield started


@pytest.fixture
async def api(running: Process) -> AsyncIterator[Api]:
    async with client(running) as channel:
        yield Api(channel)


@pytest.fixture(scope="module")
def cache(engine: Engines) -> Iterator[Process]:
    with process("cache", REDIS_URL=engine.get("valkey").url) as started:
        yield started


@pytest.fixture(scope="module")
def caching(cache: Process, mongodb_url: str) -> Iterator[Process]:
    """A notifications process whose answers that cache keeps."""
    with process("notifications", MONGODB_URI=mongodb_url, TRIVET_CACHE_ADDRESS=cache.address) as started:
        yield started


@pytest.fixture
async def reader(cache: Process) -> AsyncIterator[CacheServiceStub]:
    async with client(cache, caller="gateway") as channel:
        yield CacheServiceStub(channel)


@pytest.fixture
async def ops(caching: Process) -> AsyncIterator[Api]:
    """Who may erase."""
    async with client(caching, caller="ops") as channel:
        yield Api(channel)


@pytest.fixture
async def documents(mongodb_url: str) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """The store itself, to look behind the service's back."""
    async with AsyncMongoClient[dict[str, Any]](mongodb_url) as found:
        yield found


@pytest.fixture
def user() -> str:
    """A user that no other test has."""
    return new_id()
