"""Every list is walked over the largest rows that it can hold: each page is a message that any gRPC client takes."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode
from sqlalchemy import create_engine

from runtime.clock import timestamp
from runtime.ids import new_id
from runtime.paging import PAGE_BYTES
from services.identity import schema
from tests.api.notifications.conftest import refusal
from tests.conftest import Engines
from tests.harness.processes import client
from tests.harness.rpc import raw
from tests.harness.whole import SERVICES, Stores, Whole, whole
from trivet.cache.v1 import cache_pb2 as cache
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Channel
from trivet.client.methods import methods
from trivet.notifications.v1 import audit_service_pb2 as audit
from trivet.notifications.v1 import log_service_pb2 as log
from trivet.notifications.v1 import notification_service_pb2 as notifications
from trivet.notifications.v1.audit_service_pb2_grpc import AuditServiceStub
from trivet.notifications.v1.log_service_pb2_grpc import LogServiceStub
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub
from trivet.notifications.v1.resources_pb2 import NOTIFICATION_TYPE_EMAIL

RPCS = {f"{rpc.containing_service.full_name}/{rpc.name}": rpc for name in SERVICES for rpc in methods(name)}
POLICIES = {name: import_module(f"services.{name}.policy").POLICY for name in SERVICES}
WIDE = "\U0001f512"
"""A character of four bytes."""
ZEROS = [0] * 7_900
"""Almost 16 KiB as JSON, and more than five times that on the wire."""
USER = new_id()
FIELDS = json.dumps({"numbers": {"type": "number[]"}})
COUNT = 60
MAILS = 8
BOUNDED = {
    "trivet.cache.v1.CacheService/BatchGet": "what does not fit is a miss",
    "trivet.cache.v1.CacheService/GetStats": "a thousand names of namespaces",
    "trivet.notifications.v1.NotificationService/GetNotificationStats": "one per type",
    "trivet.notifications.v1.PreferenceService/ListPreferences": "200 of some 700 bytes",
}
"""RPCs that answer a list without pages, and why that is never large."""


@pytest.fixture(scope="module")
def running(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    sql = f"sqlite:///{tmp_path_factory.mktemp('pages') / 'trivet.db'}"
    mongodb = f"{engine.get('secantusdb').url}/trivet_pages_{new_id()}"
    fields = {"TRIVET_USER_FIELDS": FIELDS, "TRIVET_SESSION_FIELDS": FIELDS}
    slow = {"TRIVET_MONGODB_TIMEOUT_MS": "8000"}  # a busy machine takes long over the largest rows
    with whole(Stores(sql, mongodb, engine.get("valkey").url), *SERVICES, **fields, **slow) as processes:
        fill_sql(sql)
        yield processes


def fill_sql(url: str) -> None:
    """Write users, sessions and accounts as large as columns, settings and imports let them be."""
    now = datetime.now(UTC).replace(microsecond=0)
    additional = json.dumps({"numbers": ZEROS}, separators=(",", ":"))
    user = {
        "name": WIDE * 255,
        "image": WIDE * 2_048,
        "email_verified": True,
        "role": "user",
        "banned": True,
        "ban_reason": WIDE * 512,
        "additional": additional,
    }
    session = {"expires_at": now + timedelta(days=1), "remembered": True, "ip_address": "x" * 64}
    session |= {"user_agent": WIDE * 512, "additional": additional, "user_id": USER}
    account = {"provider": "github", "issuer": "", "scope": ",".join(["scope"] * 10_000), "user_id": USER}
    engine = create_engine(url)
    with engine.begin() as connection:
        for number in range(COUNT):
            made = {"created_at": now - timedelta(minutes=number // 2), "updated_at": now}
            own = {"id": USER if number == 0 else new_id(), "email": f"{number}{'x' * 200}@x.io"}
            connection.execute(schema.users.insert(), [user | made | own])
            hashed = {"id": new_id(), "token_hash": f"{number:064}"}
            connection.execute(schema.sessions.insert(), [session | made | hashed])
            named = {"id": new_id(), "account_id": WIDE * 250 + f"{number}"}
            connection.execute(schema.accounts.insert(), [account | made | named])
    engine.dispose()


@dataclass
class Filled:
    """The three services over full stores."""

    channels: dict[str, Channel]
    operator: Channel
    """To notifications, whose audit and export are an operator's."""

    async def ask(self, method: str, request: Message) -> Any:
        """Call an RPC by its full name."""
        process, rule = next((name, policy[method]) for name, policy in POLICIES.items() if method in policy)
        channel = self.operator if "ops" in rule.services else self.channels[process]
        answer = GetMessageClass(descriptor(method).output_type)
        body = await raw(channel, f"/{method}")(request.SerializeToString(), timeout=10)
        return answer.FromString(body)


@pytest.fixture(scope="module")
async def filled(running: Whole) -> AsyncIterator[Filled]:
    async with AsyncExitStack() as stack:
        channels = {name: await stack.enter_async_context(client(running[name], timeout=10)) for name in SERVICES}
        operator = await stack.enter_async_context(client(running["notifications"], caller="ops", timeout=10))
        async with client(running["notifications"], caller="identity") as identity:
            await fill_mongodb(channels["notifications"], identity)
        yield Filled(channels, operator)


async def fill_mongodb(tests: Channel, identity: Channel) -> None:
    """Write notifications, mails, log entries and audit events as large as their limits let them be."""
    told = NotificationServiceStub(tests)
    body = WIDE * 100_000
    mail = notifications.Email(to="ann@x.io", subject=WIDE * 200, text=body, html=body)
    for number in range(COUNT):
        row = notifications.Notification(user_id=USER, title=WIDE * 200, message=WIDE * 10_000)
        row.data.update({"numbers": ZEROS})
        if number < MAILS:
            row = notifications.Notification(user_id=USER, title=WIDE * 200, type=NOTIFICATION_TYPE_EMAIL, email=mail)
        await told.CreateNotification(notifications.CreateNotificationRequest(notification=row))
    entry = log.LogEntry(message=WIDE * 8_192, user_id=USER, endpoint=WIDE * 512)
    entry.attributes.update({"numbers": ZEROS})
    for _ in range(COUNT // 20):
        written = await LogServiceStub(tests).WriteLogs(log.WriteLogsRequest(entries=[entry] * 20))
        assert written.written_count == 20
    for _ in range(3):
        events = [audit_event() for _ in range(100)]
        await AuditServiceStub(identity).RecordAuditEvents(audit.RecordAuditEventsRequest(events=events))


def audit_event() -> audit.AuditEvent:
    wide = WIDE * 512
    return audit.AuditEvent(
        id=new_id() * 2,
        time=timestamp(datetime.now(UTC)),
        kind="k" * 64,
        user_id=USER,
        actor=WIDE * 128,
        ip_address=WIDE * 128,
        user_agent=wide,
        detail=wide,
    )


def descriptor(method: str) -> MethodDescriptor:
    return RPCS[method]


def lists(message: Any) -> list[str]:
    """Return the repeated fields of messages that an answer has."""
    return [field.name for field in message.fields if field.is_repeated and field.message_type is not None]


SERVED = [method for policy in POLICIES.values() for method in policy]
PAGED = [method for method in SERVED if "next_page_token" in descriptor(method).output_type.fields_by_name]
EXPECTED = {
    "ListUsers": COUNT,
    "ListSessions": COUNT,
    "ListAccounts": COUNT,
    "ListNotifications": COUNT,
    "ListMailboxMessages": MAILS,
    "QueryLogs": COUNT,
    "ListAuditEvents": 300,
    "ExportUserData": COUNT + MAILS + COUNT + 300,
}


def test_every_rpc_that_answers_a_list_has_pages_or_a_reason_why_it_needs_none() -> None:
    unpaged = {
        method
        for method in SERVED
        if method not in PAGED
        and not descriptor(method).server_streaming
        and not method.endswith("/WriteLogs")  # it names what it was given
        and lists(descriptor(method).output_type)
    }
    assert unpaged == BOUNDED.keys()
    assert {method.rpartition("/")[2] for method in PAGED} == EXPECTED.keys()


def first_request(method: str, size: int) -> Any:
    request: Any = GetMessageClass(descriptor(method).input_type)(page_size=size)
    if "user_id" in request.DESCRIPTOR.fields_by_name:
        request.user_id = USER
    return request


async def walk(filled: Filled, method: str, size: int) -> Sequence[Any]:
    """Return every page of a list; fails the test at a page that is too large, or that ends too early."""
    request = first_request(method, size)
    (name,) = lists(descriptor(method).output_type)
    pages = []
    while True:
        page = await filled.ask(method, request)
        pages.append(getattr(page, name))
        assert len(pages[-1]) <= size
        assert page.ByteSize() < PAGE_BYTES + 1_000 or len(pages[-1]) == 1
        if not page.next_page_token:
            return pages
        request.page_token = page.next_page_token


@pytest.mark.parametrize("size", [7, 1_000])
@pytest.mark.parametrize("method", PAGED)
async def test_a_walk_over_the_largest_rows_finds_each_once(filled: Filled, method: str, size: int) -> None:
    name = method.rpartition("/")[2]
    pages = await walk(filled, method, size)
    rows = [row.SerializeToString(deterministic=True) for page in pages for row in page]
    assert len(rows) == len(set(rows)) == EXPECTED[name]
    if size == 1_000:
        weight = sum(map(len, rows))
        assert weight > 1.2 * PAGE_BYTES  # else this proves nothing
        most = max(map(len, rows))
        # A page ends when the next row has no place; an export ends one with each of its four kinds, too.
        assert len(pages) <= weight / (PAGE_BYTES - most if most < PAGE_BYTES / 2 else PAGE_BYTES / 4) + 5


async def test_a_page_by_number_that_ends_early_says_where_the_rest_of_it_is(filled: Filled) -> None:
    for method in (each for each in PAGED if "page" in descriptor(each).input_type.fields_by_name):
        request: Any = (
            GetMessageClass(descriptor(method).input_type)(page_size=40, page=1, user_id=USER)
            if ("user_id" in descriptor(method).input_type.fields_by_name)
            else GetMessageClass(descriptor(method).input_type)(page_size=40, page=1)
        )
        (name,) = lists(descriptor(method).output_type)
        first = await filled.ask(method, request)
        assert first.total_size == COUNT
        assert 0 < len(getattr(first, name)) < 40
        request.ClearField("page")
        request.page_token = first.next_page_token
        rest = await filled.ask(method, request)
        assert getattr(rest, name)[0] != getattr(first, name)[-1]


LINE = log.LogEntry(message=WIDE * 8_192)
LINE.attributes.update({"numbers": ZEROS})
BATCHES: dict[str, Callable[[Filled], Awaitable[Any]]] = {
    "600 log entries of 8,000 characters": lambda at: LogServiceStub(at.channels["notifications"]).WriteLogs(
        log.WriteLogsRequest(entries=[log.LogEntry(message="x" * 8_000)] * 600)
    ),
    "120 of the largest log entries": lambda at: LogServiceStub(at.channels["notifications"]).WriteLogs(
        log.WriteLogsRequest(entries=[LINE] * 120)
    ),
    "5 cache entries of 1 MiB": lambda at: CacheServiceStub(at.channels["cache"]).BatchSet(
        cache.BatchSetRequest(
            namespace="pages", entries=[cache.Entry(key=f"{n}", value=b"x" * 2**20) for n in range(5)]
        )
    ),
    "ids of 5 MB": lambda at: NotificationServiceStub(at.channels["notifications"]).BatchMarkRead(
        notifications.BatchMarkReadRequest(user_id=USER, notification_ids=["x" * 5_000] * 1_000)
    ),
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
async def test_a_batch_that_is_too_large_is_an_invalid_argument(
    filled: Filled, batch: Callable[[Filled], Awaitable[Any]]
) -> None:
    refused = await refusal(batch(filled))  # type: ignore[arg-type]  # a call
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "REQUEST_TOO_LARGE")
