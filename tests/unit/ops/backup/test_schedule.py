"""The schedule: what is due, what failed, what was missed, and what is deleted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from ops.backup.destinations.folder import FolderDestination
from ops.backup.manifest import Manifest
from ops.backup.pruning import prune
from ops.backup.retention import rules_in
from ops.backup.schedule import FIRST_RETRY, LONGEST_RETRY, Schedule
from ops.errors import CommandFailed
from tests.unit.ops.backup.conftest import Make

DAY = timedelta(days=1)


@dataclass
class Clock:
    time: datetime = datetime(2026, 3, 1, 3, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@dataclass
class Creation:
    """Makes backups, or fails as it is told to."""

    clock: Clock
    make: Make
    error: Exception | None = None
    made: list[Manifest] = field(default_factory=list)

    def __call__(self) -> Manifest:
        if self.error is not None:
            raise self.error
        self.made.append(self.make(self.clock.time))
        return self.made[-1]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def creation(clock: Clock, make: Make) -> Creation:
    return Creation(clock, make)


@pytest.fixture
def schedule(destination: FolderDestination, creation: Creation, clock: Clock) -> Schedule:
    return Schedule(destination, creation, DAY, rules_in("2 daily"), now=clock)


def metric(name: str) -> float:
    value = REGISTRY.get_sample_value(f"trivet_backup_{name}")
    assert value is not None
    return value


def test_a_backup_is_made_once_per_period_and_the_old_ones_go(
    schedule: Schedule, creation: Creation, clock: Clock, destination: FolderDestination
) -> None:
    assert schedule.turn() == DAY.total_seconds()
    clock.time += timedelta(hours=23)
    assert schedule.turn() == 3600
    assert len(creation.made) == 1
    for _ in range(3):
        clock.time += DAY
        schedule.turn()
    assert list(destination.ids()) == [each.backup_id for each in creation.made[-2:]]
    assert metric("newest_timestamp_seconds") == clock.time.timestamp()


def test_a_backup_that_another_process_has_made_counts(schedule: Schedule, creation: Creation, make: Make) -> None:
    make(creation.clock.time - timedelta(hours=6))
    assert schedule.turn() == timedelta(hours=18).total_seconds()
    assert creation.made == []


def test_the_size_of_the_newest_is_known_also_of_another_process(
    schedule: Schedule, creation: Creation, make: Make, root: Path
) -> None:
    made = make(creation.clock.time, stored_bytes=7_000)
    schedule.turn()
    assert metric("bytes") == 7_000
    (root / made.backup_id / "manifest.json").write_text("{")
    creation.clock.time += timedelta(hours=1)
    assert schedule.turn() == timedelta(hours=23).total_seconds()  # and the schedule goes on
    assert metric("bytes") == 0


def test_failures_are_counted_printed_and_tried_again_after_growing_pauses(
    schedule: Schedule, creation: Creation, destination: FolderDestination, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule.turn()
    creation.clock.time += DAY
    before, good = metric("failures_total"), list(destination.ids())
    creation.error = CommandFailed("pg_dump failed: the server went away")
    pauses = [schedule.turn() for _ in range(9)]
    assert pauses[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert pauses[-1] == LONGEST_RETRY
    assert metric("failures_total") == before + 9
    assert metric("failed_in_a_row") == 9
    assert "trivet: the backup failed: pg_dump failed: the server went away\n" in capsys.readouterr().err
    assert list(destination.ids()) == good
    creation.error = RuntimeError("a bug")
    schedule.turn()
    assert "unexpected error, please report it: RuntimeError: a bug" in capsys.readouterr().err
    creation.error = None
    assert schedule.turn() == DAY.total_seconds()
    assert metric("failed_in_a_row") == 0


def test_a_missed_backup_is_overdue_until_there_is_one(schedule: Schedule, creation: Creation, clock: Clock) -> None:
    creation.error = CommandFailed("no")
    schedule.turn()
    clock.time += 1.5 * DAY
    assert metric("overdue") == 0
    clock.time += timedelta(seconds=1)
    assert metric("overdue") == 1
    creation.error = None
    schedule.turn()
    assert metric("overdue") == 0


def test_a_damaged_backup_takes_no_good_ones_place(destination: FolderDestination, make: Make, root: Path) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    ids = [make(start + day * DAY).backup_id for day in range(4)]
    (root / ids[3] / "manifest.json").write_text("{")
    assert prune(destination, rules_in("1 daily"), dry_run=True) == ids[:2]
    assert list(destination.ids()) == ids
    assert prune(destination, rules_in("1 daily")) == ids[:2]
    assert list(destination.ids()) == ids[2:]
