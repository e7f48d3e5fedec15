"""Backups of the whole stack on a laptop: made while it runs, restored while it does not."""

from pathlib import Path

import httpx

from ops.backup.destinations.folder import FolderDestination
from tests.harness.people import FAST_HASHING, browser, new_email, sign_up
from tests.harness.stack import environment, stack, trivet
from tests.harness.waiting import until


async def test_an_embedded_stack_is_backed_up_while_it_runs_and_restored_when_it_has_stopped(tmp_path: Path) -> None:
    data, backups = tmp_path / "data", {"TRIVET_BACKUP_TO": str(tmp_path / "backups")}
    with stack(data, **backups, **FAST_HASHING) as running:
        async with browser(running.url) as ada:
            assert (await sign_up(ada, new_email())).status_code == 200
            made = running.run("backup", "create")
            assert made.returncode == 0, made.stderr
            cookies = ada.cookies
        async with browser(running.url) as grace:
            assert (await sign_up(grace, new_email())).status_code == 200
            later = grace.cookies
        refused = running.run("backup", "restore", "--replace")
        assert refused.returncode == 1
        assert "is in use by another stack" in refused.stderr
    settings = environment(data, **backups)
    refused = trivet("backup", "restore", environment=settings)
    assert refused.stderr.startswith("trivet: DATABASE_URL: the database is not empty")
    restored = trivet("backup", "restore", "--replace", environment=settings)
    assert restored.returncode == 0, restored.stderr
    with stack(data, **FAST_HASHING) as running:
        async with browser(running.url) as browsing:
            browsing.cookies = cookies
            assert (await browsing.get("/api/auth/get-session")).json()["user"]["name"] == "Ada"
            browsing.cookies = later
            assert (await browsing.get("/api/auth/get-session")).json() is None


async def test_a_stack_with_a_schedule_makes_backups_and_serves_their_metrics(tmp_path: Path) -> None:
    settings = {"TRIVET_BACKUP_TO": str(tmp_path / "backups"), "TRIVET_BACKUP_EVERY_HOURS": "24"}
    with stack(tmp_path / "data", **settings, **FAST_HASHING) as running:
        destination = FolderDestination(tmp_path / "backups")
        await until(lambda: bool(destination.ids()), seconds=60)
        fresh = running.run("backup", "list", "--max-age", "1")
        assert fresh.returncode == 0, fresh.stderr

        def is_known() -> bool:
            text = httpx.get(running.addresses["backup metrics"]).text
            (line,) = [line for line in text.splitlines() if line.startswith("trivet_backup_newest_timestamp_seconds ")]
            return float(line.split()[1]) > 0

        await until(is_known, seconds=30)
    old = trivet("backup", "list", "--max-age", "0", environment=environment(tmp_path / "data", **settings))
    assert old.returncode == 1
    assert "the newest backup is 0.0 hours old" in old.stderr


def test_a_schedule_without_a_destination_stops_the_start(tmp_path: Path) -> None:
    refused = trivet("run", environment=environment(tmp_path / "data", TRIVET_BACKUP_EVERY_HOURS="24"))
    assert refused.returncode == 2
    assert (
        refused.stderr
        == "trivet: set TRIVET_BACKUP_TO, or give --to: a folder for the backups, or s3://BUCKET/PREFIX\n"
    )
