"""Which backups the rules keep."""

from datetime import UTC, datetime, timedelta

import pytest

from ops.backup.manifest import new_backup_id, time_of
from ops.backup.retention import DEFAULT, kept, rules_in
from ops.errors import WrongSettings

END = datetime(2026, 11, 30, 3, 0, 0, 123_000, UTC)


def made_daily(days: int) -> list[str]:
    return [new_backup_id(END - timedelta(days=day)) for day in range(days)]


def days_of(backup_ids: set[str]) -> list[str]:
    return sorted(f"{time_of(each):%m-%d}" for each in backup_ids)


def test_an_id_tells_its_time_and_sorts_by_it() -> None:
    ids = [new_backup_id(END + timedelta(milliseconds=place)) for place in range(20)]
    assert ids == sorted(ids)
    assert time_of(ids[0]) == END


def test_the_newest_of_each_day_week_and_month_are_kept() -> None:
    found = kept(made_daily(100), rules_in("7 daily, 4 weekly, 3 monthly"))
    daily = ["11-24", "11-25", "11-26", "11-27", "11-28", "11-29", "11-30"]
    # Weeks end on Sunday. The 30th is a Monday, so it is the newest of its own week.
    weekly, monthly = ["11-15", "11-22", "11-29", "11-30"], ["09-30", "10-31", "11-30"]
    assert days_of(found) == sorted({*daily, *weekly, *monthly})


def test_a_year_of_daily_backups_leaves_as_many_as_the_default_says() -> None:
    assert (
        len(kept(made_daily(800), rules_in(DEFAULT))) == 7 + 4 + 12 - 3
    )  # of the last days, two end weeks, one a month


def test_two_on_one_day_leave_the_later_one() -> None:
    morning, evening = new_backup_id(END), new_backup_id(END + timedelta(hours=12))
    assert kept([morning, evening], rules_in("5 daily")) == {evening}
    assert kept([morning, evening], rules_in("5 hourly")) == {morning, evening}


def test_the_newest_is_kept_whatever_the_rules_and_none_is_made_up() -> None:
    ids = made_daily(3)
    assert kept(ids, rules_in("1 yearly")) == {ids[0]}
    assert kept([], rules_in(DEFAULT)) == set()


def test_after_a_pause_of_months_the_old_ones_stay() -> None:
    old = [new_backup_id(END - timedelta(days=200 + day)) for day in range(3)]
    new = new_backup_id(END)
    assert kept([*old, new], rules_in("3 daily")) == {new, *old[:2]}


@pytest.mark.parametrize("text", ["", "7", "7 days", "daily", "7 daily, x", "0 daily", "-1 daily", "7 daily;4 weekly"])
def test_what_says_nothing_to_keep_is_refused(text: str) -> None:
    with pytest.raises(WrongSettings, match=r"does not say what to keep: write numbers of hourly, daily"):
        rules_in(text)
