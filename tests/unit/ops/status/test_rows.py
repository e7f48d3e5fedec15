"""The rows of `trivet status` for queues and backups, and their units."""

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ops.backup.manifest import FILE, Manifest, Part
from ops.backup.settings import BackupSettings
from ops.status.backup_row import READ_OUTPUT, backup_row
from ops.status.queue_rows import MAIL_REFUSED, queue_rows
from ops.status.samples import Samples, Window
from ops.status.screen import draw
from ops.status.snapshot import Snapshot
from ops.status.units import bytes_of, duration, number, rate

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def _window(text: str) -> Window:
    return Window(None, Samples(text), 1.0)


def test_parked_messages_and_a_refused_sender_have_their_remedies() -> None:
    identity = 'trivet_outbox_parked{topic="mail.send"} 2\ntrivet_outbox_lag_seconds{topic="mail.send"} 90\n'
    identity += 'trivet_outbox_length{topic="mail.send"} 3\n'
    mail = "trivet_mail_sender_refused 1\ntrivet_mail_queue_length 7\ntrivet_mail_queue_oldest_seconds 60\n"
    outbox, hashing, mails = queue_rows({"identity": _window(identity), "notifications": _window(mail)})
    assert (outbox.name, outbox.waiting, outbox.oldest_seconds, outbox.lost) == ("outbox mail.send", 3, 90, 2)
    assert "trivet outbox list --parked --topic mail.send" in outbox.remedy
    assert (hashing.name, hashing.waiting, hashing.remedy) == ("password hashing", None, "")
    assert (mails.waiting, mails.oldest_seconds, mails.remedy) == (7, 60, MAIL_REFUSED)


async def test_the_process_that_makes_backups_says_what_is_overdue_or_failed() -> None:
    made = f"trivet_backup_newest_timestamp_seconds {NOW.timestamp() - 7200}\ntrivet_backup_bytes 5000\n"
    good = await backup_row(BackupSettings(to="/b"), {"backup": _window(f"{made}trivet_backup_overdue 0\n")}, NOW)
    assert (good.age_seconds, good.size_bytes, good.place, good.is_overdue) == (7200, 5000, "/b", False)
    assert (good.problem, good.remedy) == ("", "")
    late = await backup_row(BackupSettings(), {"backup": _window(f"{made}trivet_backup_overdue 1\n")}, NOW)
    assert (late.is_overdue, late.problem, late.remedy) == (True, "the next backup is overdue", READ_OUTPUT)
    failing = _window(f"{made}trivet_backup_failures_total 9\ntrivet_backup_failed_in_a_row 2\n")
    row = await backup_row(BackupSettings(), {"backup": failing}, NOW)
    assert (row.failed_in_a_row, row.problem, row.remedy) == (2, "the last 2 failed", READ_OUTPUT)
    recovered = _window(f"{made}trivet_backup_failures_total 9\ntrivet_backup_failed_in_a_row 0\n")
    assert (await backup_row(BackupSettings(), {"backup": recovered}, NOW)).problem == ""


async def test_the_newest_backup_is_read_where_no_process_makes_them(tmp_path: Path) -> None:
    settings = BackupSettings(to=str(tmp_path), every_hours=1)
    empty = await backup_row(settings, {}, NOW)
    assert (empty.newest_at, empty.problem) == (None, "there is no backup yet")
    for name in ("20260530T100000000Z-0123abcd", "20260601T110000000Z-0123abcd"):
        part = Part("sql", "sql.zst", "sqlite", "3.50", 9, "", 2_000_000, "", ())
        (tmp_path / name).mkdir()
        (tmp_path / name / FILE).write_bytes(Manifest(name, "0.1.0", "1", "", "", "", "", (), (part,)).encode())
    row = await backup_row(settings, {}, NOW)
    assert (row.newest_at, row.age_seconds, row.problem) == (datetime(2026, 6, 1, 11, tzinfo=UTC), 3600, "")
    assert (row.size_bytes, row.place, row.is_overdue) == (2_000_000, str(tmp_path), False)
    late = await backup_row(settings, {}, NOW + timedelta(hours=1))
    assert (late.is_overdue, late.problem) == (True, "the next backup is overdue")
    unplanned = await backup_row(BackupSettings(to=str(tmp_path)), {}, NOW + timedelta(days=9))
    assert (unplanned.is_overdue, unplanned.problem) == (None, "")
    shown = Console(width=200, record=True, file=StringIO())
    shown.print(draw(Snapshot(NOW, None, [], [], [], [], late)))
    assert re.search(rf"2h 0m +2 MB +- +{tmp_path} +the next backup is overdue", shown.export_text())
    (tmp_path / "20260601T110000000Z-0123abcd" / FILE).write_text("{")
    damaged = await backup_row(settings, {}, NOW)
    assert (damaged.age_seconds, damaged.size_bytes) == (3600, None)
    assert "is damaged" in damaged.problem
    assert (await backup_row(BackupSettings(to=""), {}, NOW)).problem == "no backup is configured"
    assert (await backup_row(BackupSettings(to="ftp://x"), {}, NOW)).remedy == "check TRIVET_BACKUP_TO"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0012, "1.2 ms"),
        (3.44, "3.4 s"),
        (75, "1m 15s"),
        (7_260, "2h 1m"),
        (190_000, "2d 4h"),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_that_are_unknown_are_dashes() -> None:
    assert [rate(None), number(None), bytes_of(None)] == ["-", "-", "-"]
    assert [rate(0.5), rate(42_176), number(1_200), bytes_of(77e6), bytes_of(5e3)] == [
        "0.5",
        "42,176",
        "1,200",
        "77 MB",
        "5 kB",
    ]
