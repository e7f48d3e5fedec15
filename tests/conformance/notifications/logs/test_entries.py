"""What writing log entries promises, on each engine."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.json_format import MessageToDict
from pymongo.errors import BulkWriteError

from runtime.errors import InvalidArgument
from services.notifications.logs.entries import LogEntry, Logs, RejectedEntry, WriteResult
from services.notifications.logs.levels import Level
from services.notifications.logs.messages import encode_entry
from services.notifications.logs.query import LogFilter
from services.notifications.store.mongo import Document
from tests.conformance.notifications.conftest import LOG_TTLS, House, as_stored, export

CUT = "…[cut]"


async def written(at: House, entry: LogEntry) -> Document:
    await at.logs.write([entry])
    found = await at.store.database.logs.find_one({})
    assert found is not None
    return found


async def test_an_entry_is_stored_with_the_designs_fields(at: House) -> None:
    at.clock.now = datetime(2026, 1, 3, tzinfo=UTC)
    stored = await written(
        at,
        LogEntry(
            message="GET /v1/me",
            level="warning",
            timestamp=datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC),
            user_id="ann",
            endpoint="/v1/me",
            method="get",
            status=503,
            duration_ms=12.5,
            service="gateway",
            trace_id="a" * 32,
            span_id="b" * 16,
            attributes={"part": "identity"},
        ),
    )
    assert stored.pop("_id")
    assert stored == {
        "timestamp": datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC),
        "level": "warning",
        "message": "GET /v1/me",
        "userId": "ann",
        "endpoint": "/v1/me",
        "method": "GET",
        "status": 503,
        "durationMs": 12.5,
        "service": "gateway",
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "attributes": {"part": "identity"},
        "expiresAt": datetime(2026, 2, 1, 3, 4, 5, 678_000, UTC),
    }


async def test_a_thousand_entries_are_one_batch_and_more_are_refused(at: House) -> None:
    assert await at.logs.write([LogEntry(str(number)) for number in range(1_000)]) == WriteResult(1_000)
    assert await at.store.database.logs.count_documents({}) == 1_000
    with pytest.raises(InvalidArgument) as refused:
        await at.logs.write([LogEntry("x")] * 1_001)
    assert refused.value.field == "entries"


async def test_an_entry_without_a_message_is_refused_by_its_place_and_none_is_written(at: House) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await at.logs.write([LogEntry("one"), LogEntry("")])
    assert refused.value.field == "entries[1].message"
    assert await at.store.database.logs.count_documents({}) == 0


async def test_what_is_too_long_is_cut_and_says_so(at: House) -> None:
    """I3: the log size cap per field."""
    many = {f"key{number}": "v" * 1_000 for number in range(40)}
    stored = await written(
        at, LogEntry(message="m" * 9_000, endpoint="/" * 600, user_id="u" * 200, service="s" * 200, attributes=many)
    )
    assert stored["message"] == "m" * (8_192 - len(CUT)) + CUT
    assert (len(stored["endpoint"]), len(stored["userId"]), len(stored["service"])) == (512, 128, 128)
    assert all(stored[key].endswith(CUT) for key in ("endpoint", "userId", "service"))
    assert stored["attributes"].pop(CUT) is True
    assert 10 < len(stored["attributes"]) < 17


async def test_attributes_deeper_than_can_be_kept_are_cut(at: House) -> None:
    deep: Document = {"end": 1.0}
    for _ in range(20):
        deep = {"in": deep}
    stored = await written(at, LogEntry("deep", attributes=deep))
    assert str(stored["attributes"]).count("in") == 8
    assert CUT in str(stored["attributes"])


async def test_a_key_that_mongodb_would_read_is_renamed_because_a_line_is_not_worth_losing_for_it(at: House) -> None:
    """I1."""
    stored = await written(at, LogEntry("keys", attributes={"$where": "1", "http.route": "/", "n\0l": {"$gt": ""}}))
    assert stored["attributes"] == {"%24where": "1", "http%2Eroute": "/", "n%00l": {"%24gt": ""}}


ALIKE = {"a.b": "1", "a_b": "2", "a%2Eb": "3", "$a": "4", "_a": "5", "%24a": "6", "in": {"x.y": ["1", {"x_y": "2"}]}}


async def test_attributes_with_names_alike_all_live_and_are_answered_by_their_own_names(at: House) -> None:
    await at.logs.write([LogEntry("alike", user_id="ann", attributes=ALIKE)])
    found = await at.reader.query(LogFilter(), size=5, encode=encode_entry)
    assert MessageToDict(found.entries[0].attributes) == ALIKE
    [record] = [each for each in await export(at, "ann") if each.kind == "log"]
    assert record.data["attributes"] == ALIKE


@pytest.mark.parametrize("level", LOG_TTLS)
async def test_an_entry_that_is_older_than_its_level_is_kept_is_rejected_with_the_reason(
    at: House, level: Level
) -> None:
    """A count of entries that no query finds would be a silent loss."""
    over = at.clock.now - LOG_TTLS[level]
    kept = over + timedelta(milliseconds=1)
    entries = [LogEntry("kept", level, kept), LogEntry("over", level, over), LogEntry("now", level)]
    answer = await at.logs.write(entries)
    assert answer.count == 2
    [rejected] = answer.rejected
    assert (rejected.index, rejected.reason) == (1, "EXPIRED")
    assert f"kept for {LOG_TTLS[level].days} days" in rejected.message
    found = await at.reader.query(LogFilter(start=over), encode=as_stored, size=5)
    assert [entry["message"] for entry in found.entries] == ["now", "kept"]


async def test_an_entry_that_is_more_than_a_day_ahead_is_rejected_with_the_reason(at: House) -> None:
    """It would stand before all others in every query until its time has come."""
    last = at.clock.now + timedelta(days=1)
    over = last + timedelta(milliseconds=1)
    answer = await at.logs.write([LogEntry("kept", timestamp=last), LogEntry("over", timestamp=over), LogEntry("now")])
    assert answer.count == 2
    [rejected] = answer.rejected
    assert (rejected.index, rejected.reason) == (1, "IN_THE_FUTURE")
    assert rejected.message == f"entries[1] has the time {over}: more than 1 day ahead of the server's clock"
    found = await at.reader.query(LogFilter(), encode=as_stored, size=5)
    assert [entry["message"] for entry in found.entries] == ["kept", "now"]


async def test_a_batch_of_old_entries_alone_writes_nothing_and_says_so(at: House) -> None:
    answer = await at.logs.write([LogEntry("old", "debug", at.clock.now - timedelta(days=30))])
    assert (answer.count, len(answer.rejected)) == (0, 1)
    assert isinstance(answer.rejected[0], RejectedEntry)
    assert await at.store.database.logs.count_documents({}) == 0


async def test_control_characters_stay_data(at: House) -> None:
    """I3."""
    odd = "one\r\ntwo\x1b[31m\u2028\0end"
    await at.logs.write([LogEntry(odd, endpoint=odd)])
    found = await at.reader.query(LogFilter(text="\0END"), encode=as_stored, size=5)
    assert [(entry["message"], entry["endpoint"]) for entry in found.entries] == [(odd, odd)]


async def test_numbers_that_json_has_no_word_for_do_not_break_an_entry(at: House) -> None:
    stored = await written(at, LogEntry("nan", duration_ms=float("nan"), attributes={"ratio": float("inf")}))
    assert (stored["durationMs"], stored["attributes"]) == (0.0, {"ratio": "inf"})


async def test_a_method_that_http_does_not_know_is_stored_as_other(at: House) -> None:
    assert (await written(at, LogEntry("odd", method="BREW")))["method"] == "_OTHER"


@pytest.mark.parametrize("level", LOG_TTLS)
async def test_an_entry_is_kept_as_long_as_its_level_says(at: House, level: Level) -> None:
    stored = await written(at, LogEntry("x", level=level))
    assert stored["expiresAt"] == at.clock.now + LOG_TTLS[level]
    at.clock.now = stored["expiresAt"] - timedelta(milliseconds=1)
    assert len((await at.reader.query(LogFilter(), encode=as_stored, size=5)).entries) == 1
    at.clock.now = stored["expiresAt"]
    assert (await at.reader.query(LogFilter(), encode=as_stored, size=5)).entries == []


async def test_a_writer_whose_clock_is_ahead_keeps_nothing_longer(at: House) -> None:
    stored = await written(at, LogEntry("from the future", timestamp=at.clock.now + timedelta(hours=20)))
    assert stored["expiresAt"] == at.clock.now + LOG_TTLS["info"]
    assert len((await at.reader.query(LogFilter(), encode=as_stored, size=5)).entries) == 1


class SameIds(Logs):
    """Writes under the ids of its first batch again, as a retry does whose first answer was lost."""

    def _document(self, entry: LogEntry, now: datetime) -> Document:
        return super()._document(entry, now) | {"_id": entry.message}


async def test_a_batch_that_was_written_already_is_a_success(at: House) -> None:
    """R22: the duplicate key of a retried insert is our own row."""
    logs = SameIds(at.store, at.tombstones, LOG_TTLS, clock=at.clock)
    assert await logs.write([LogEntry("a")]) == WriteResult(1)
    assert await logs.write([LogEntry("a"), LogEntry("b")]) == WriteResult(2)
    assert await at.store.database.logs.count_documents({}) == 2
    with pytest.raises(BulkWriteError):  # what it would be otherwise
        await at.store.database.logs.insert_many([{"_id": "a"}, {"_id": "c"}], ordered=False)
