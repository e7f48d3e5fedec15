"""LogService through the real process."""

import time
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from runtime.ids import new_id
from tests.api.notifications.conftest import Api, refusal
from trivet.client import acting_for
from trivet.notifications.v1 import log_service_pb2 as pb


async def test_an_entry_is_found_as_it_was_written(api: Api, user: str) -> None:
    entry = pb.LogEntry(
        timestamp=Timestamp(seconds=int(time.time()) - 3_600, nanos=123_000_000),
        level=pb.LOG_LEVEL_ERROR,
        message="GET /v1/me failed",
        user_id=user,
        endpoint="/v1/me",
        method="GET",
        status=503,
        duration_ms=1.5,
        service="gateway",
        trace_id="a" * 32,
        span_id="b" * 16,
    )
    entry.attributes.update({"part": "identity", "tries": 2})
    answer = await api.logs.WriteLogs(pb.WriteLogsRequest(entries=[entry]))
    assert answer.written_count == 1
    request = pb.QueryLogsRequest(user_id=user, start_time=entry.timestamp)
    found = await api.logs.QueryLogs(request)
    entry.id = found.entries[0].id
    assert list(found.entries) == [entry]
    assert not found.HasField("searched_back_to")


async def test_an_entry_that_is_too_old_is_named_in_the_answer(api: Api, user: str) -> None:
    old = Timestamp(seconds=int(time.time()) - 91 * 24 * 3_600)
    entries = [pb.LogEntry(message="now", user_id=user), pb.LogEntry(message="old", user_id=user, timestamp=old)]
    answer = await api.logs.WriteLogs(pb.WriteLogsRequest(entries=entries))
    assert answer.written_count == 1
    assert [(each.index, each.reason) for each in answer.rejected] == [(1, "EXPIRED")]
    assert "info entries are kept for 14 days" in answer.rejected[0].message


async def test_an_entry_of_years_ahead_is_named_in_the_answer(api: Api, user: str) -> None:
    ahead = Timestamp(seconds=int(time.time()) + 5 * 365 * 24 * 3_600)
    entries = [pb.LogEntry(message="ahead", user_id=user, timestamp=ahead), pb.LogEntry(message="now", user_id=user)]
    answer = await api.logs.WriteLogs(pb.WriteLogsRequest(entries=entries))
    assert answer.written_count == 1
    assert [(each.index, each.reason) for each in answer.rejected] == [(0, "IN_THE_FUTURE")]
    found = await api.logs.QueryLogs(pb.QueryLogsRequest(user_id=user))
    assert [entry.message for entry in found.entries] == ["now"]


async def test_pages_of_a_walk_hold_each_entry_once(api: Api, user: str) -> None:
    entries = [pb.LogEntry(message=str(number), user_id=user) for number in range(5)]
    await api.logs.WriteLogs(pb.WriteLogsRequest(entries=entries))
    seen: list[str] = []
    request = pb.QueryLogsRequest(user_id=user, page_size=2)
    for _ in range(3):
        found = await api.logs.QueryLogs(request)
        seen += [entry.message for entry in found.entries]
        assert found.HasField("searched_back_to")
        request.page_token = found.next_page_token
    assert sorted(seen) == ["0", "1", "2", "3", "4"]
    assert request.page_token == ""


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"page_size": 0}, "page_size"),
        ({"page_size": 10_001}, "page_size"),
        ({"page_token": "not ours"}, "page_token"),
        ({"text": "x" * 257}, "text"),
        ({"levels": [99]}, "levels"),
        ({"start_time": Timestamp(seconds=2**60)}, "start_time"),
        ({"end_time": Timestamp(seconds=-(2**60))}, "end_time"),
        ({"start_time": Timestamp(seconds=1, nanos=2**31 - 1)}, "start_time"),
        ({"start_time": Timestamp(seconds=9), "end_time": Timestamp(seconds=8)}, "end_time"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_by_its_field(
    api: Api, values: dict[str, Any], field: str
) -> None:
    refused = await refusal(api.logs.QueryLogs(pb.QueryLogsRequest(**values)))
    assert (refused.code, refused.fields) == (StatusCode.INVALID_ARGUMENT, (field,))


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (pb.LogEntry(), "entries[0].message"),
        (pb.LogEntry(message="x", level=99), "entries[0].level"),  # type: ignore[arg-type]  # a number that is no level
        (pb.LogEntry(message="x", timestamp=Timestamp(seconds=2**60)), "entries[0].timestamp"),
    ],
)
async def test_an_entry_that_makes_no_sense_is_refused_by_its_place(api: Api, entry: pb.LogEntry, field: str) -> None:
    refused = await refusal(api.logs.WriteLogs(pb.WriteLogsRequest(entries=[entry])))
    assert (refused.code, refused.fields) == (StatusCode.INVALID_ARGUMENT, (field,))


async def test_services_write_logs_and_administrators_read_them(api: Api) -> None:
    write = pb.WriteLogsRequest(entries=[pb.LogEntry(message="forged")])
    for role in ("user", "admin"):
        with acting_for(new_id(), role):
            assert (await refusal(api.logs.WriteLogs(write))).reason == "SERVICES_ONLY"
    with acting_for(new_id(), "user"):
        assert (await refusal(api.logs.QueryLogs(pb.QueryLogsRequest()))).reason == "ADMIN_REQUIRED"
    with acting_for(new_id(), "admin"):
        await api.logs.QueryLogs(pb.QueryLogsRequest(page_size=1))
