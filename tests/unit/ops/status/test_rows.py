"""The rows of `trivet status` for queues and backups, and their units."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.backup.settings import BackupSettings
from ops.status.backup_row import backup_row
from ops.status.queue_rows import MAIL_REFUSED, queue_rows
from ops.status.samples import Samples, Window
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


async def test_a_backup_that_is_overdue_has_a_remedy() -> None:
    made = f"trivet_backup_newest_timestamp_seconds {NOW.timestamp() - 7200}\ntrivet_backup_overdue 1\n"
    row = await backup_row(BackupSettings(), {"backup": _window(made)}, NOW)
    assert (row.age_seconds, row.is_overdue, row.failures) == (7200, True, 0)
    assert row.problem
    assert row.remedy


async def test_the_newest_backup_is_read_where_no_process_makes_them(tmp_path: Path) -> None:
    settings = BackupSettings(to=str(tmp_path))
    empty = await backup_row(settings, {}, NOW)
    assert (empty.newest_at, empty.problem) == (None, "there is no backup yet")
    for name in ("20260530T100000000Z-0123abcd", "20260601T110000000Z-0123abcd"):
        (tmp_path / name).mkdir()
    row = await backup_row(settings, {}, NOW)
    assert (row.newest_at, row.age_seconds, row.problem) == (datetime(2026, 6, 1, 11, tzinfo=UTC), 3600, "")
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
    assert [rate(0.5), rate(42_176), number(1_200), bytes_of(77e6)] == ["0.5", "42,176", "1,200", "77 MB"]
