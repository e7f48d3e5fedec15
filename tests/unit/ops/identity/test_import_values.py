"""What values of other systems mean."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from identity_rules.custom_fields import Field
from ops.identity.importing.source.times import Times, Unreadable
from ops.identity.importing.source.values import field_value, flag, line, read, row_id
from ops.output import plain

TIME = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


@pytest.mark.parametrize(
    ("value", "means"),
    [
        *((value, True) for value in (True, 1, 2, 1.0, Decimal(1), "1", "1.0", "t", "TRUE", "on", "yes", "y", TIME)),
        *((value, False) for value in (False, 0, 0.0, Decimal("0.0"), "0", "0.0", "f", "False", "off", "no", "n", "")),
        *((value, False) for value in (None, b"\0", b"\0\0", bytearray(b"\0"), memoryview(b"\0"), b"0", b"false", b"")),
        *((value, True) for value in (b"\1", b"\0\1", memoryview(b"\1"), b"1", b"true")),
        ("2026-01-02T03:04:05.678Z", True),
        ("0000-00-00 00:00:00", False),
    ],
)
def test_a_flag_is_read_in_every_spelling_that_a_driver_returns(value: Any, means: bool) -> None:
    assert flag(value) is means


@pytest.mark.parametrize(
    "value", ["maybe", b"maybe", "1 and a half", "nan", float("nan"), Decimal("NaN"), b"\1" * 9, [], {}, object()]
)
def test_a_flag_that_means_neither_yes_nor_no_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # there is no text to match: the report has its own
        flag(value)


def test_a_row_is_read_by_kinds_and_an_error_names_the_column() -> None:
    spelled = {"name": "full_name", "emailVerified": "verified", "createdAt": "created"}
    row = {"full_name": "Zoë".encode(), "verified": b"\0", "created": "2026-01-02 03:04:05.678", "more": 1}
    assert read(row, spelled, Times()) == {"name": "Zoë", "emailVerified": False, "createdAt": TIME}
    for column, value, said in (
        ("full_name", b"\xff", "full_name holds bytes that are not UTF-8 text"),
        ("verified", "maybe", "verified holds neither yes nor no"),
        ("created", "yesterday", "created holds no time in the years 1 to 9999"),
    ):
        with pytest.raises(Unreadable, match=f"^the column {said}$"):
            read({**row, column: value}, spelled, Times())


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
        ("boolean", b"\0", False),
        ("string", b"x", "x"),
        ("number", Decimal("2.5"), 2.5),
        ("date", 1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
        ("string[]", '["a","b"]', ["a", "b"]),
        ("number", "1.5", 1.5),
        ("string", "x", "x"),
    ],
)
def test_a_products_own_value_is_kept_as_its_field_says(kind: str, value: Any, kept: Any) -> None:
    assert field_value(Field(kind), value, partial(Times().read, "x")) == kept


@pytest.mark.parametrize(
    ("kind", "value"), [("string", 1), ("number", "many"), ("string[]", "a"), ("string[]", "[1]"), ("boolean", "maybe")]
)
def test_a_value_that_does_not_fit_its_field_is_an_error(kind: str, value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # as above
        field_value(Field(kind), value, partial(Times().read, "x"))
