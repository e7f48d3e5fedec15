"""The last backup: by the metrics of the process that makes backups, else by where they are kept."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.backup.destinations.addresses import destination_at
from ops.backup.manifest import time_of
from ops.backup.schedule import LATE
from ops.backup.settings import BackupSettings
from ops.doctor.examination import in_thread
from ops.doctor.finding import Finding
from ops.errors import CommandFailed
from ops.status.reading import READ_SECONDS
from ops.status.samples import Samples, Window

NONE_YET = "make one: `trivet backup create`, or set TRIVET_BACKUP_EVERY_HOURS"
CHECK_PLACE = "check TRIVET_BACKUP_TO"
READ_OUTPUT = "see the output of the process `backup`"


@dataclass(frozen=True)
class BackupRow:
    """The newest whole backup.

    A field is None, and `place` is empty, if it is not known. Without a process that makes backups, `is_overdue` is
    known only if TRIVET_BACKUP_EVERY_HOURS is set. `failed_in_a_row` counts the failures since the last success.
    """

    newest_at: datetime | None = None
    age_seconds: float | None = None
    size_bytes: float | None = None
    place: str = ""
    is_overdue: bool | None = None
    failed_in_a_row: float | None = None
    problem: str = ""
    remedy: str = ""


async def backup_row(settings: BackupSettings, windows: Mapping[str, Window], now: datetime) -> BackupRow:
    """Return the row. A place that cannot be read is its problem."""
    if made := windows.get("backup"):
        return _of_process(made.after, settings.to, now)
    if not settings.to:
        return BackupRow(problem="no backup is configured", remedy="set TRIVET_BACKUP_TO and TRIVET_BACKUP_EVERY_HOURS")
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await _of_place(settings, now)
    except TimeoutError:
        return BackupRow(place=settings.to, problem="the place of the backups does not answer", remedy=CHECK_PLACE)


def _of_process(samples: Samples, place: str, now: datetime) -> BackupRow:
    failed = samples.largest("trivet_backup_failed_in_a_row")
    is_overdue = bool(samples.largest("trivet_backup_overdue"))
    seconds = samples.largest("trivet_backup_newest_timestamp_seconds")
    newest = datetime.fromtimestamp(seconds, UTC) if seconds else None
    problems, remedy = [], ""
    if newest is None:
        problems, remedy = ["there is no backup yet"], NONE_YET
    if failed:
        problems.append(f"the last {failed:.0f} failed" if failed > 1 else "the last one failed")
    if is_overdue:
        problems.append("the next backup is overdue")
    if failed or is_overdue:
        remedy = READ_OUTPUT
    return BackupRow(
        newest,
        (now - newest).total_seconds() if newest else None,
        samples.largest("trivet_backup_bytes") or None,
        place,
        is_overdue,
        failed,
        ", ".join(problems),
        remedy,
    )


async def _of_place(settings: BackupSettings, now: datetime) -> BackupRow:
    found: list[BackupRow] = []

    def work(_: list[Finding]) -> None:
        found.append(_newest(settings, now))

    await in_thread(work)
    return found[0]


def _newest(settings: BackupSettings, now: datetime) -> BackupRow:
    place, size, problem, remedy = settings.to, None, "", ""
    try:
        destination = destination_at(place)
        ids = destination.ids()
    except (CommandFailed, OSError) as failure:
        return BackupRow(place=place, problem=str(failure), remedy=CHECK_PLACE)
    if not ids:
        return BackupRow(place=place, problem="there is no backup yet", remedy=NONE_YET)
    age = (now - time_of(ids[-1])).total_seconds()
    is_overdue = age > LATE * settings.every_hours * 3_600 if settings.every_hours else None
    if is_overdue:
        problem, remedy = "the next backup is overdue", "start `trivet backup schedule`, or run `trivet backup create`"
    try:
        size = destination.manifest(ids[-1]).stored_bytes
    except (CommandFailed, OSError) as failure:
        problem, remedy = str(failure), "make another: `trivet backup create`"
    return BackupRow(time_of(ids[-1]), age, size, place, is_overdue, None, problem, remedy)
