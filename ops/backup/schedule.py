"""Makes a backup whenever one is due, and deletes those that need not be kept: `trivet backup schedule`."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import Counter, Gauge

from ops.backup.destinations.destination import Destination
from ops.backup.manifest import Manifest, time_of
from ops.backup.pruning import prune
from ops.backup.retention import Rules
from ops.errors import CommandFailed
from ops.output import note
from runtime.clock import Clock, utc_now

FIRST_RETRY = 10.0
LONGEST_RETRY = 900.0
"""The pause in seconds after a failure grows from one to the other, doubled by each in a row."""
LATE = 1.5
"""A backup is overdue when the newest is older than this many periods."""

newest_at = Gauge("trivet_backup_newest_timestamp_seconds", "When the newest whole backup was begun; 0 without one.")
overdue = Gauge("trivet_backup_overdue", "1 if the newest whole backup is older than one and a half periods.")
failures = Counter("trivet_backup_failures_total", "Backups that failed.")
duration = Gauge("trivet_backup_duration_seconds", "How long the newest backup of this process took.")
failed_in_a_row = Gauge("trivet_backup_failed_in_a_row", "Backups that failed since the last success; 0 after one.")
size = Gauge("trivet_backup_bytes", "The size of the newest whole backup; 0 if it is not known.")


class Schedule:
    """Backs up once per period, counted from the newest backup, also of another process."""

    def __init__(
        self,
        destination: Destination,
        create: Callable[[], Manifest],
        every: timedelta,
        rules: Rules,
        *,
        now: Clock = utc_now,
    ) -> None:
        self._destination = destination
        self._create = create
        self._every = every
        self._rules = rules
        self._now = now
        self._newest = 0.0
        self._began = now()
        self._failed_in_a_row = 0
        newest_at.set_function(lambda: self._newest)
        overdue.set_function(lambda: float(self.is_overdue))

    @property
    def is_overdue(self) -> bool:
        """Whether a backup was missed since the newest one; without one, since the start."""
        last = self._newest or self._began.timestamp()
        return self._now().timestamp() > last + LATE * self._every.total_seconds()

    def run(self, stopping: threading.Event) -> None:
        """Work until the event is set."""
        while not stopping.wait(self.turn()):
            pass

    def turn(self) -> float:
        """Make a backup if one is due; return the seconds until the next turn. A failure is printed and counted."""
        try:
            left = self._left()
            if left <= 0:
                self._back_up()
                left = self._left()
            self._failed_in_a_row = 0
            failed_in_a_row.set(0)
        except (CommandFailed, OSError) as error:
            return self._failed(str(error))
        except Exception as error:  # the next one can succeed
            return self._failed(f"unexpected error, please report it: {type(error).__name__}: {error}")
        return max(0.0, left)

    def _left(self) -> float:
        ids = self._destination.ids()
        self._measure(ids[-1] if ids else "")
        self._newest = time_of(ids[-1]).timestamp() if ids else 0.0
        return self._newest + self._every.total_seconds() - self._now().timestamp()

    def _measure(self, backup_id: str) -> None:
        """Set the size of the newest backup. One whose manifest is damaged does not prevent the next."""
        try:
            size.set(self._destination.manifest(backup_id).stored_bytes if backup_id else 0)
        except CommandFailed:
            size.set(0)

    def _back_up(self) -> None:
        began = time.monotonic()
        made = self._create()
        duration.set(time.monotonic() - began)
        note(f"made the backup {made.backup_id} ({made.stored_bytes} bytes)")
        for backup_id in prune(self._destination, self._rules):
            note(f"deleted the backup {backup_id}")

    def _failed(self, why: str) -> float:
        failures.inc()
        note(f"the backup failed: {why}")
        pause: float = min(FIRST_RETRY * 2.0**self._failed_in_a_row, LONGEST_RETRY, self._every.total_seconds())
        self._failed_in_a_row += 1
        failed_in_a_row.set(self._failed_in_a_row)
        return pause
