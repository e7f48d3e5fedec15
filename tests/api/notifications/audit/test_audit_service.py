"""AuditService and UserDataService through the real process: who may call them, and what they refuse."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from runtime.clock import timestamp, utc_now
from runtime.ids import new_id
from tests.api.notifications.conftest import Api, refusal
from tests.harness.processes import Process, client
from trivet.client import acting_for
from trivet.notifications.v1 import audit_service_pb2 as pb
from trivet.notifications.v1 import log_service_pb2 as log
from trivet.notifications.v1 import user_data_service_pb2 as data

INVALID = StatusCode.INVALID_ARGUMENT


@pytest.fixture
async def identity(running: Process) -> AsyncIterator[Api]:
    """The stubs as identity calls them."""
    async with client(running, caller="identity") as channel:
        yield Api(channel)


@pytest.fixture
async def ops(running: Process) -> AsyncIterator[Api]:
    """The stubs as an operator's program calls them."""
    async with client(running, caller="ops") as channel:
        yield Api(channel)


def event(user_id: str, **values: Any) -> pb.AuditEvent:
    known: dict[str, Any] = {"id": new_id(), "time": timestamp(utc_now()), "kind": "signed_in", "user_id": user_id}
    return pb.AuditEvent(**known | values)


async def record(identity: Api, *events: pb.AuditEvent) -> int:
    return (await identity.audit.RecordAuditEvents(pb.RecordAuditEventsRequest(events=events))).recorded_count


async def test_what_identity_tells_an_administrator_reads(identity: Api, api: Api, user: str) -> None:
    told = event(user, actor="service:ops", ip_address="192.0.2.1", user_agent="Firefox", detail="why")
    assert await record(identity, told) == 1
    assert await record(identity, told) == 1
    with acting_for(new_id(), "admin"):
        page = await api.audit.ListAuditEvents(pb.ListAuditEventsRequest(user_id=user, start_time=told.time))
    assert list(page.events) == [told]


async def test_pages_follow_each_other_newest_first(identity: Api, ops: Api, user: str) -> None:
    began = int(time.time()) - 10
    events = [event(user, time=Timestamp(seconds=began + number)) for number in range(3)]
    await record(identity, *events)
    request = pb.ListAuditEventsRequest(user_id=user, page_size=2)
    first = await ops.audit.ListAuditEvents(request)
    request.page_token = first.next_page_token
    second = await ops.audit.ListAuditEvents(request)
    assert [*first.events, *second.events] == events[::-1]
    assert second.next_page_token == ""


async def test_nobody_but_identity_tells_and_nobody_but_administrators_and_operators_reads(
    identity: Api, ops: Api, api: Api, user: str
) -> None:
    """A program that may write notifications must not invent, read or erase what others did."""
    reading = pb.ListAuditEventsRequest(user_id=user)
    for calls in (ops, api):
        refused = await refusal(calls.audit.RecordAuditEvents(pb.RecordAuditEventsRequest(events=[event(user)])))
        assert refused.reason == "CALLER_NOT_ALLOWED"
    for call in (
        api.audit.ListAuditEvents(reading),
        identity.audit.ListAuditEvents(reading),
        api.data.EraseUserData(data.EraseUserDataRequest(user_id=user)),
        api.data.ExportUserData(data.ExportUserDataRequest(user_id=user)),
    ):
        assert (await refusal(call)).reason == "CALLER_NOT_ALLOWED"
    with acting_for(user, "user"):
        assert (await refusal(api.audit.ListAuditEvents(reading))).reason == "ADMIN_REQUIRED"
        assert (
            await refusal(api.data.ExportUserData(data.ExportUserDataRequest(user_id=user)))
        ).reason == "ADMIN_REQUIRED"
        assert (
            await refusal(api.data.EraseUserData(data.EraseUserDataRequest(user_id=user)))
        ).reason == "SERVICES_ONLY"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"id": ""}, "events[0].id"),
        ({"id": "$ne"}, "events[0].id"),
        ({"kind": ""}, "events[0].kind"),
        ({"time": None}, "events[0].time"),
        ({"time": Timestamp(seconds=2**60)}, "events[0].time"),
    ],
)
async def test_an_event_that_is_none_is_refused_by_its_field(
    identity: Api, user: str, values: dict[str, Any], field: str
) -> None:
    request = pb.RecordAuditEventsRequest(events=[event(user, **values)])
    refused = await refusal(identity.audit.RecordAuditEvents(request))
    assert (refused.code, refused.fields) == (INVALID, (field,))


@pytest.mark.parametrize("values", [{"page_size": 0}, {"page_size": 1_001}, {"page_token": "W10"}, {"page_token": "$"}])
async def test_a_bad_page_is_refused(ops: Api, user: str, values: dict[str, Any]) -> None:
    for call in (
        ops.audit.ListAuditEvents(pb.ListAuditEventsRequest(**values)),
        ops.data.ExportUserData(data.ExportUserDataRequest(user_id=user, **values)),
    ):
        assert (await refusal(call)).code == INVALID


async def test_an_operator_exports_and_erases_what_a_user_has_left(
    ops: Api, api: Api, identity: Api, user: str
) -> None:
    await api.create(user, "Shipped", data={"order": {"n": 1}})
    await api.logs.WriteLogs(log.WriteLogsRequest(entries=[log.LogEntry(message="came", user_id=user)]))
    await record(identity, event(user, ip_address="192.0.2.1"))
    assert await exported(ops, user) == ["notification", "log", "audit_event"]
    erased = await ops.data.EraseUserData(data.EraseUserDataRequest(user_id=user))
    assert (erased.erased_count, erased.complete) == (3, True)
    assert await exported(ops, user) == ["audit_event"]
    assert (await refusal(api.create(user))).reason == "USER_ERASED"


async def exported(ops: Api, user_id: str) -> list[str]:
    """Return the kinds of what is held."""
    request, kinds = data.ExportUserDataRequest(user_id=user_id), []
    while True:
        page = await ops.data.ExportUserData(request)
        kinds += [record.kind for record in page.records]
        if not page.next_page_token:
            return kinds
        request.page_token = page.next_page_token
