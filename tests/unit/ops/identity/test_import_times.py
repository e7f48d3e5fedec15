"""What times of other systems mean: their units, their zones, and those that cannot be kept."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from ops.errors import WrongSettings
from ops.identity.importing.duplicates import younger_duplicates
from ops.identity.importing.source import zones
from ops.identity.importing.source.times import Times, Unit, Unreadable, number_in, numbers_by_column

TIME = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
BERLIN = zones.parsed("Europe/Berlin")


def numbers(*years: int, unit: Unit) -> list[int]:
    return [number_in(unit, datetime(year, 5, 6, tzinfo=UTC)) for year in years]


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-02T03:04:05.678Z",
        b"2026-01-02T03:04:05.678Z",
        "2026-01-02 03:04:05.678999",
        "2026-01-02T04:04:05.678+01:00",
        TIME,
        TIME.replace(tzinfo=None),
        TIME.astimezone(timezone(timedelta(hours=5))),
        1_767_323_045_678,
        "1767323045678",
        1_767_323_045.678,
        "1767323045.678",
        1_767_323_045_678_901,
        1_767_323_045_678_901_234,
    ],
)
def test_a_time_is_read_however_it_is_written(value: Any) -> None:
    """Better Auth keeps texts in SQLite, others numbers; without a zone it is UTC unless the operator says more."""
    assert Times().read("at", value) == TIME


@pytest.mark.parametrize(
    "value",
    [
        *("yesterday", "9" * 30, float("inf"), float("nan"), object(), b"\xff", True),
        *("infinity", "-infinity", "0000-00-00 00:00:00", "0001-01-01 BC", "+010000-01-01T00:00:00.000Z"),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_what_is_no_time_that_can_be_kept_is_an_error(value: Any) -> None:
    with pytest.raises(Unreadable, match=r"^the column at holds no time in the years 1 to 9999$"):
        Times().read("at", value)


def test_no_time_is_none() -> None:
    assert Times().read("at", None) is Times().read("at", "") is None


def test_a_time_without_a_zone_is_of_the_zone_that_was_given() -> None:
    times = Times(BERLIN or UTC)
    assert times.read("at", "2024-07-01 12:00:00") == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert times.read("at", date(2024, 1, 1)) == datetime(2023, 12, 31, 23, tzinfo=UTC)
    assert times.read("at", "2024-07-01T12:00:00Z") == datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert times.remarks("user") == ["user: times without a zone are read as Europe/Berlin"]


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize(
    "years", [(2024,), (1970, 1971, 2024), (1970, 1999, 2024, 2030), (1932, 1960, 1999), (2020, 2021, 2022, 9998)]
)
def test_a_column_has_one_unit_that_all_of_it_decides(unit: Unit, years: tuple[int, ...]) -> None:
    values = numbers(*years, unit=unit)
    times = Times(columns=numbers_by_column(["at"], [(value,) for value in values]))
    found = [times.read("at", value) for value in values]
    assert [time.year for time in found if time] == list(years)
    (remark,) = times.remarks("user")
    assert remark == (
        f"user.at: {len(years)} numbers are read as {unit.name.lower()}, {min(years)}-05-06 to {max(years)}-05-06"
    )


def test_one_number_beyond_all_times_moves_no_other() -> None:
    """JavaScript's last date, and the first millisecond of the year 10000."""
    for far in (8_640_000_000_000_000, 253_402_300_800_000, 10**30):
        times = Times(
            columns=numbers_by_column(["at"], [(far,), (1_767_323_045_678,), (None,), ("x",), (float("inf"),)])
        )
        assert times.read("at", 1_767_323_045_678) == TIME
        with pytest.raises(Unreadable):
            times.read("at", far)


def test_a_column_without_times_of_these_decades_goes_by_the_others_of_its_table() -> None:
    """A ban until the year 9999 in milliseconds is no ban that ended in 1978."""
    (forever,) = numbers(9999, unit=Unit.MILLISECONDS)
    rows = [(1_767_323_045_678, forever), (1_767_323_045_678, None)]
    times = Times(columns=numbers_by_column(["created", "ends"], rows))
    ends = times.read("ends", forever)
    assert ends is not None
    assert ends.year == 9999


def test_of_two_spellings_the_oldest_stays_by_time_and_not_by_its_text() -> None:
    """`[datetime.datetime(2024, 10, 1...` sorts before `2024, 2, 3`; a time that cannot be read is the youngest."""
    february, october = (datetime.fromisoformat(text) for text in ("2024-02-03", "2024-10-01"))
    rows: list[tuple[str, str, Any]] = [
        ("1", "Ann@x.io", february),
        ("2", "ann@x.io", october),
        ("3", " ANN@x.io", None),
        ("4", "b@x.io", october),
    ]
    rows += [("5", "É@x.io", "infinity"), ("6", "é@x.io", "2024-10-01"), ("7", "É@x.io", 1_706_918_400_000)]
    assert younger_duplicates(lambda: rows, lambda value: Times().read("at", value)) == {"2", "3", "5", "6"}


def test_zones_are_offsets_and_names() -> None:
    assert zones.parsed("") is None
    assert zones.parsed("z") is zones.parsed("UTC") is UTC
    assert zones.parsed("-03:30") == timezone(-timedelta(hours=3, minutes=30))
    for wrong in ("Berlin", "+15:00", "../etc/passwd", "2"):
        with pytest.raises(WrongSettings, match="--time-zone: this machine does not know"):
            zones.parsed(wrong)
