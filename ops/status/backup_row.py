"""When the last backup was made: by the metrics of the process that makes them, else by where they are kept."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.backup.destinations.addresses import destination_at
from ops.backup.manifest import time_of
from ops.backup.settings import BackupSettings
from ops.doctor.examination import in_thread
from ops.doctor.finding import Finding
from ops.errors import CommandFailed
from ops.status.reading import READ_SECONDS
from ops.status.samples import Window

NONE_YET = "make one: `trivet backup create`, or set TRIVET_BACKUP_EVERY_HOURS"


@dataclass(frozen=True)
class BackupRow:
    """The newest whole backup; `newest_at` is None if there is none, or it is not known."""

    newest_at: datetime | None = None
    age_seconds: float | None = None
    is_overdue: bool = False
    failures: float | None = None
    problem: str = ""
    remedy: str = ""


async def backup_row(settings: BackupSettings, windows: Mapping[str, Window], now: datetime) -> BackupRow:
    """Return the row. A place that cannot be read is its problem."""
    if made := windows.get("backup"):
        failures = made.after.total("trivet_backup_failures_total")
        is_overdue = bool(made.after.largest("trivet_backup_overdue"))
        newest = made.after.largest("trivet_backup_newest_timestamp_seconds")
        remedy = "see the output of the process `backup`" if failures or is_overdue else ""
        return _row(datetime.fromtimestamp(newest, UTC) if newest else None, now, is_overdue, failures, remedy)
    if not settings.to:
        return BackupRow(problem="no backup is configured", remedy="set TRIVET_BACKUP_TO and TRIVET_BACKUP_EVERY_HOURS")
    try:
        async with asyncio.timeout(READ_SECONDS):
            return _row(await _newest(settings.to), now)
    except TimeoutError:
        return BackupRow(problem="the place of the backups does not answer", remedy="check TRIVET_BACKUP_TO")
    except (CommandFailed, OSError) as failure:
        return BackupRow(problem=str(failure), remedy="check TRIVET_BACKUP_TO")


def _row(
    newest: datetime | None, now: datetime, is_overdue: bool = False, failures: float | None = None, remedy: str = ""
) -> BackupRow:
    if newest is None:
        return BackupRow(None, None, is_overdue, failures, "there is no backup yet", remedy or NONE_YET)
    problem = "the next backup is overdue" if is_overdue else ""
    return BackupRow(newest, (now - newest).total_seconds(), is_overdue, failures, problem, remedy)


async def _newest(place: str) -> datetime | None:
    ids: list[str] = []

    def work(_: list[Finding]) -> None:
        ids.extend(destination_at(place).ids()[-1:])

    await in_thread(work)
    return time_of(ids[0]) if ids else None
