"""What values of other systems mean."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ops.importing.values import field_value, flag, line, moment, row_id
from ops.showing import plain
from runtime.fields import Field

TIME = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-02T03:04:05.678Z",
        "2026-01-02 03:04:05.678999",
        "2026-01-02T04:04:05.678+01:00",
        TIME,
        TIME.replace(tzinfo=None),
        TIME.astimezone(timezone(timedelta(hours=5))),
        1_767_323_045_678,
        "1767323045678",
        1_767_323_045.678,
    ],
)
def test_a_time_is_read_however_it_is_written(value: Any) -> None:
    """Better Auth keeps texts in SQLite, others numbers; without a zone it is UTC."""
    assert moment(value) == TIME


@pytest.mark.parametrize("value", ["yesterday", "99999999999999999999", float("inf"), object()])
def test_what_is_no_time_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # there is no text to match: the report has its own
        moment(value)


def test_no_time_is_none() -> None:
    assert moment(None) is moment("") is None


@pytest.mark.parametrize(
    ("value", "means"), [(1, True), ("t", True), ("false", False), (0, False), (None, False), (TIME, True)]
)
def test_a_flag_is_read_however_it_is_written(value: Any, means: bool) -> None:
    assert flag(value) is means


@pytest.mark.parametrize("value", ["", None, "a b", "a" * 37, "é", "a\n"])
def test_what_a_row_of_ours_cannot_have_is_no_id(value: Any) -> None:
    assert row_id(value) is None


def test_numbers_and_uuids_are_ids() -> None:
    assert row_id(7) == "7"
    assert row_id("4f4e1f3e-0000-4000-8000-1234567890ab") == "4f4e1f3e-0000-4000-8000-1234567890ab"


def test_a_line_holds_nothing_that_steers_a_terminal_or_a_log() -> None:
    """I3, I7."""
    assert line("a\x1b[2J\r\nb\u2028c", 255) == "a[2Jbc"
    assert plain("\x1b]0;x\x07") == "\ufffd]0;x\ufffd"


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("boolean", 1, True),
        ("date", 1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
        ("string[]", '["a","b"]', ["a", "b"]),
        ("number", "1.5", 1.5),
        ("string", "x", "x"),
    ],
)
def test_a_products_own_value_is_kept_as_its_field_says(kind: str, value: Any, kept: Any) -> None:
    assert field_value(Field(kind), value) == kept


@pytest.mark.parametrize(("kind", "value"), [("string", 1), ("number", "many"), ("string[]", "a"), ("string[]", "[1]")])
def test_a_value_that_does_not_fit_its_field_is_an_error(kind: str, value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # as above
        field_value(Field(kind), value)
