"""What looking for log entries promises, on each engine."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from runtime.errors import InvalidArgument
from services.notifications.logs.entries import LogEntry
from services.notifications.logs.levels import Level
from services.notifications.logs.query import LogFilter, LogReader, windows
from tests.conformance.notifications.conftest import LOG_TTLS, House, as_stored

LONGEST = max(LOG_TTLS.values())
HOUR = timedelta(hours=1)


async def log(at: House, message: str, ago: timedelta = timedelta(), level: Level = "error", **values: str) -> None:
    """Write an entry that happened `ago`; errors are kept longest."""
    await at.logs.write([LogEntry(message, level=level, timestamp=at.clock.now - ago, **values)])  # type: ignore[arg-type]  # each is a str field


async def found(at: House, wanted: LogFilter, size: int = 50) -> list[str]:
    return [entry["message"] for entry in (await at.reader.query(wanted, encode=as_stored, size=size)).entries]


async def test_entries_are_found_newest_first(at: House) -> None:
    for ago in (2, 400, 1, 30):
        await log(at, str(ago), HOUR * ago)
    assert await found(at, LogFilter()) == ["1", "2", "30", "400"]


async def test_a_range_holds_its_start_and_not_its_end(at: House) -> None:
    for hours in range(5):
        await log(at, str(hours), HOUR * hours)
    wanted = LogFilter(start=at.clock.now - 3 * HOUR, end=at.clock.now - HOUR)
    answer = await at.reader.query(wanted, encode=as_stored, size=50)
    assert [entry["message"] for entry in answer.entries] == ["2", "3"]
    assert answer.searched_back_to is None


async def test_entries_are_found_by_level_user_route_and_method(at: House) -> None:
    await log(at, "plain", level="info")
    await log(at, "bad", level="error", user_id="ann", endpoint="/v1/me", method="GET")
    await log(at, "odd", level="warning", user_id="bob", endpoint="/v1/me", method="POST")
    assert await found(at, LogFilter(levels=("error", "info"))) in (["bad", "plain"], ["plain", "bad"])
    assert await found(at, LogFilter(user_id="ann")) == ["bad"]
    assert sorted(await found(at, LogFilter(endpoint="/v1/me"))) == ["bad", "odd"]
    assert await found(at, LogFilter(endpoint="/v1/me", method="post")) == ["odd"]
    assert await found(at, LogFilter(method="GET")) == ["bad"]
    assert await found(at, LogFilter(endpoint="/v1/me", levels=("info",))) == []


async def test_text_is_a_substring_whatever_its_case_and_never_a_pattern(at: House) -> None:
    """I1: a user's regex is escaped."""
    await log(at, "Payment of $5.00 (card) FAILED ^.*")
    for text in ("$5.00 (card)", "failed", "^.*", "PAYMENT"):
        assert len(await found(at, LogFilter(text=text))) == 1
    for pattern in (".*x", "5.0.", "^Payment", "(?i)payment", "p|q", "\\d"):
        assert await found(at, LogFilter(text=pattern)) == []


async def test_text_is_looked_for_inside_the_range_alone(at: House) -> None:
    await log(at, "needle", 3 * HOUR)
    assert await found(at, LogFilter(text="needle", start=at.clock.now - 2 * HOUR)) == []
    assert await found(at, LogFilter(text="needle")) == ["needle"]


async def test_too_long_a_text_and_an_empty_range_are_refused(at: House) -> None:
    with pytest.raises(InvalidArgument) as too_long:
        await at.reader.query(LogFilter(text="x" * 257), encode=as_stored, size=5)
    assert too_long.value.field == "text"
    with pytest.raises(InvalidArgument) as empty:
        await at.reader.query(LogFilter(start=at.clock.now, end=at.clock.now), encode=as_stored, size=5)
    assert empty.value.field == "end_time"


async def test_pages_hold_each_entry_once_across_windows_and_within_one_instant(at: House) -> None:
    await at.logs.write([LogEntry(f"now {number}", level="error") for number in range(5)])
    for hours in (2, 5, 30, 200, 1_000):
        await log(at, str(hours), HOUR * hours)
    seen, token = [], ""
    for _ in range(5):
        answer = await at.reader.query(LogFilter(), encode=as_stored, size=2, page_token=token)
        seen += [entry["message"] for entry in answer.entries]
        token = answer.next_page_token
    assert token == ""
    assert sorted(seen[:5]) == [f"now {number}" for number in range(5)]
    assert seen[5:] == ["2", "5", "30", "200", "1000"]


async def test_a_walk_says_how_far_back_it_has_looked(at: House) -> None:
    await log(at, "new")
    await log(at, "old", timedelta(days=20))
    await log(at, "older", timedelta(days=40))
    filled = await at.reader.query(LogFilter(), encode=as_stored, size=2)
    assert filled.searched_back_to == at.clock.now - timedelta(days=20)
    assert filled.next_page_token
    whole = await at.reader.query(LogFilter(), encode=as_stored, size=5)
    assert whole.searched_back_to == at.clock.now - LONGEST
    assert whole.next_page_token == ""


async def test_a_walk_that_takes_too_long_answers_what_it_has_and_its_token_walks_on(at: House) -> None:
    await log(at, "new")
    await log(at, "old", timedelta(days=20))
    ticks: Iterator[int] = count()
    slow = LogReader(at.store, LONGEST, clock=at.clock, monotonic=lambda: float(next(ticks)))
    first = await slow.query(LogFilter(), encode=as_stored, size=5)
    assert [entry["message"] for entry in first.entries] == ["new"]
    assert first.searched_back_to == at.clock.now - HOUR
    rest = await at.reader.query(LogFilter(), encode=as_stored, size=5, page_token=first.next_page_token)
    assert [entry["message"] for entry in rest.entries] == ["old"]


async def test_a_walk_from_an_end_goes_back_from_there(at: House) -> None:
    for hours in (1, 10, 100):
        await log(at, str(hours), HOUR * hours)
    assert await found(at, LogFilter(end=at.clock.now - 5 * HOUR)) == ["10", "100"]
    assert await found(at, LogFilter(end=datetime(1, 1, 1, tzinfo=UTC))) == []
    assert await found(at, LogFilter(end=datetime(9999, 12, 31, tzinfo=UTC)), size=1) == ["1"]


async def test_a_token_of_another_filter_is_refused(at: House) -> None:
    await log(at, "1")
    await log(at, "2")
    token = (await at.reader.query(LogFilter(), encode=as_stored, size=1)).next_page_token
    with pytest.raises(InvalidArgument, match="page_token"):
        await at.reader.query(LogFilter(user_id="ann"), encode=as_stored, size=1, page_token=token)


def test_windows_grow_and_leave_no_gap() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    walk = list(windows(None, now - LONGEST, now))
    assert [now - lower for lower, _ in walk] == [
        HOUR,
        6 * HOUR,
        timedelta(days=1),
        timedelta(days=7),
        timedelta(days=30),
        LONGEST,
    ]
    assert walk[0][1] is None, "what a clock ahead of ours wrote is in the first window"
    assert [upper for _, upper in walk[1:]] == [lower for lower, _ in walk[:-1]]
