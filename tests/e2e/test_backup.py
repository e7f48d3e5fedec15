"""Backups of the whole stack on a laptop: made while it runs, restored while it does not."""

from pathlib import Path

from tests.harness.people import FAST_HASHING, browser, new_email, sign_up
from tests.harness.stack import environment, stack, trivet


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
