"""Backups that do not end as they should: killed at any moment, without room, with a tool that fails."""

import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from ops.backup.check import check_files
from ops.backup.creation import create
from ops.backup.destinations.folder import FolderDestination
from ops.backup.documents.mongodb import opened
from ops.backup.sql.database import drop_tables, engine_of, look_at
from ops.backup.sql.engines import backup_of
from ops.backup.streams import CHUNK
from ops.backup.temporary import temporary_folder
from ops.errors import CommandFailed
from runtime.errors import Unavailable
from services.identity.store.schema.schema_check import VERSION_TABLE
from services.notifications.store.schema import history
from services.notifications.store.schema.schema_check import RefusedSchemaError, SchemaCheck
from services.notifications.store.schema.steps import steps
from tests.conformance.backup.conftest import Backups, documents_of, rows_of
from tests.harness.processes import ROOT
from tests.harness.stack import trivet
from tests.harness.waiting import eventually

KILLS = 20
RESTORE_KILLS = 10
SMALL = "1m"


@pytest.mark.slow
@pytest.mark.parametrize("sql_engine", ["mariadb"])
def test_a_backup_that_is_killed_at_any_moment_is_never_listed(backups: Backups) -> None:
    good = backups.create()
    began = time.monotonic()
    whole = [good.backup_id, *_made(backups)]
    seconds = time.monotonic() - began
    times = random.Random(12)  # the same delays in each run
    for _ in range(KILLS):
        process = subprocess.Popen([ROOT / "bin/trivet", "backup", "create"], env=backups.environment)
        try:
            process.wait(times.uniform(seconds / 4, seconds * 1.1))
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        listed = list(backups.destination.ids())
        assert listed[: len(whole)] == whole
        for backup_id in listed[len(whole) :]:  # it was whole before it was killed
            manifest = backups.destination.manifest(backup_id)
            check_files(backups.destination, manifest, manifest.parts, None)
        whole = listed
    _made(backups)
    assert not list(backups.root.glob(".partial-*"))
    check_files(backups.destination, good, good.parts, None)


def _made(backups: Backups) -> list[str]:
    done = trivet("backup", "create", environment=backups.environment)
    assert done.returncode == 0, done.stderr
    return [backups.destination.ids()[-1]]


@pytest.mark.slow
@pytest.mark.parametrize("sql_engine", ["mariadb"])
def test_a_restore_that_is_killed_at_any_moment_is_refused_and_the_next_one_makes_it_whole(
    backups: Backups,
) -> None:
    """Each store is whole or refused. The first kill is at the first write, and so finds MongoDB refused."""
    manifest, target = backups.create(), backups.fresh()
    environment = backups.environment_of(target)
    command = [str(ROOT / "bin/trivet"), "backup", "restore", "--replace", manifest.backup_id]
    backups.restore(manifest, target)
    expected = rows_of(backups.source), documents_of(backups.source)
    seconds, halves = 0.0, 0
    with opened(target.mongodb) as database:
        for place in range(RESTORE_KILLS + 1):
            database.end_restore()  # what an earlier kill left; what follows is of this one
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            eventually(lambda: database.is_half_restored, seconds=120)
            began = time.monotonic()
            if place == 0:
                assert process.wait(120) == 0
                seconds = time.monotonic() - began
                continue
            try:
                process.wait(seconds * (place - 1) / RESTORE_KILLS)
            except subprocess.TimeoutExpired:
                process.kill()
            process.wait()
            half_sql, half_mongodb = look_at(target.store).revision is None, database.is_half_restored
            halves += half_sql or half_mongodb
            assert half_sql or rows_of(target) == expected[0]
            assert half_mongodb or documents_of(target) == expected[1]
            if half_mongodb:
                with pytest.raises(CommandFailed, match="not empty"):
                    backups.restore(manifest, target, only=("mongodb",))
        assert halves > 0
        assert trivet(*command[1:], environment=environment).returncode == 0
        assert not database.is_half_restored
    assert (rows_of(target), documents_of(target)) == expected


@pytest.mark.parametrize("sql_engine", ["sqlite"])
async def test_notifications_refuses_a_mongodb_that_is_half_restored_until_it_is_whole(
    backups: Backups, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(backups.source.mongodb) as database:
        database.begin_restore()
        check = SchemaCheck()
        async with AsyncMongoClient[dict[str, Any]](backups.source.mongodb) as client:
            notifications = client.get_default_database()
            with pytest.raises(RefusedSchemaError):
                await check.prepare(notifications)
            assert "trivet backup restore --replace" in caplog.text
            with pytest.raises(Unavailable, match="half restored"):
                await check.look(notifications)
            assert (await history.status(notifications, steps())).applied == {}  # it has not migrated
            manifest = backups.create()
            backups.restore(manifest, backups.source, replace=True)
            await check.prepare(notifications)
            await check.look(notifications)


@pytest.mark.parametrize("sql_engine", ["sqlite"])
def test_a_full_disk_ends_a_backup_with_one_line_and_leaves_the_last_good_one(backups: Backups, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here: that takes root")
    try:
        destination = FolderDestination(disk)
        good = create(destination, backups.source)
        (disk / "filler").write_bytes(os.urandom(1 << 19))
        environment = backups.environment | {"TRIVET_BACKUP_TO": str(disk)}
        with engine_of(backups.source.store) as engine, engine.begin() as connection:
            for _ in range(40):
                text = os.urandom(20_000).hex()
                connection.exec_driver_sql("UPDATE outbox SET payload = payload || ? WHERE id = 1", (text,))
        refused = trivet("backup", "create", environment=environment)
        assert refused.returncode == 1
        assert refused.stderr == (
            f"trivet: {disk} is full: make room there, or choose another folder; older backups are untouched\n"
        )
        assert list(destination.ids()) == [good.backup_id]
        assert not list(disk.glob(".partial-*"))
        check_files(destination, good, good.parts, None)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize(("sql_engine", "tool"), [("mariadb", "mariadb-dump"), ("postgresql", "pg_dump")])
def test_a_tool_that_fails_ends_the_backup_with_its_own_words(backups: Backups, tool: str, tmp_path: Path) -> None:
    """It writes something first, as a dump does whose server goes away."""
    (tmp_path / "tools").mkdir()
    program = tmp_path / "tools" / tool
    program.write_text("#!/bin/sh\necho half a dump\necho 'error: the server went away' >&2\nexit 3\n")
    program.chmod(0o755)
    environment = backups.environment
    environment["PATH"] = f"{program.parent}{os.pathsep}{environment['PATH']}"
    refused = trivet("backup", "create", environment=environment)
    assert refused.stderr == f"trivet: {tool} failed: error: the server went away\n"
    assert refused.returncode == 1
    assert backups.destination.ids() == []


@pytest.mark.parametrize("sql_engine", ["sqlite"])
def test_two_backups_at_once_do_not_meet(backups: Backups) -> None:
    another = backups.destination.begin("20260101T000000000Z-00000000")
    with another, pytest.raises(CommandFailed, match="another backup is being written to"):
        backups.create()
    backups.create()


@pytest.mark.parametrize("sql_engine", ["mariadb"])
def test_a_database_that_is_half_restored_is_refused_by_every_process(backups: Backups) -> None:
    """The client ends at the middle of the dump: there are tables, but not that of the revision."""
    target, half = backups.fresh(), b""
    source = backups.source.store
    with backup_of(source).dump(look_at(source)) as dump:
        while data := dump.source.read(CHUNK):
            half += data
    with backup_of(target.store).load(look_at(target.store)) as sink:
        sink.write(half[: half.index(f"`{VERSION_TABLE.name}`".encode())].rpartition(b"\n")[0])
    found = look_at(target.store)
    assert found.tables
    assert found.revision is None
    refused = trivet("db", "status", "--check", environment=backups.environment_of(target))
    assert refused.returncode == 1
    manifest = backups.create()
    backups.restore(manifest, target, replace=True)
    assert rows_of(target) == rows_of(backups.source)
    drop_tables(target.store, look_at(target.store))
    assert look_at(target.store).tables == ()


HELD = """
import sys
from ops.backup.temporary import temporary_folder
with temporary_folder() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_the_temporary_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold a password, or a copy of all data."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'protos'}{os.pathsep}{ROOT}", "TMPDIR": str(tmp_path)}
    with ExitStack() as stack:
        command = [sys.executable, "-c", HELD]
        killed, living = (
            stack.enter_context(
                subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            for _ in range(2)
        )
        folders = []
        for process in (killed, living):
            assert process.stdout is not None
            folders.append(Path(process.stdout.readline().decode().strip()))
        killed.kill()
        killed.wait()
        assert all(folder.exists() for folder in folders)
        with temporary_folder() as own:
            assert own.stat().st_mode & 0o077 == 0
            assert sorted(tmp_path.iterdir()) == sorted([folders[1], own])
        living.communicate()
    assert list(tmp_path.iterdir()) == []
