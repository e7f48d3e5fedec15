"""Damaged backups, and targets that do not fit: one clear line, before anything is changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ops.backup.destinations.destination import chosen
from ops.backup.manifest import Manifest, Part
from ops.backup.sql.database import engine_of
from ops.errors import CommandFailed
from tests.conformance.backup.conftest import Backups, documents_of, rows_of
from tests.harness.stack import trivet

ON_SQLITE = pytest.mark.parametrize("sql_engine", ["sqlite"])


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def emptied(_: bytes) -> bytes:
    return b""


def lengthened(data: bytes) -> bytes:
    return data + b"x"


def another_json(_: bytes) -> bytes:
    return b"[]"


def altered(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@ON_SQLITE
@pytest.mark.parametrize("damage", [cut, altered, emptied, lengthened])
def test_no_byte_of_a_damaged_backup_reaches_the_target(backups: Backups, damage: Callable[[bytes], bytes]) -> None:
    manifest = backups.create()
    before = rows_of(backups.source), documents_of(backups.source)
    for part in manifest.parts:
        path = backups.root / manifest.backup_id / part.file
        good = path.read_bytes()
        path.write_bytes(damage(good))
        with pytest.raises(CommandFailed, match=rf"^{part.file} of the backup .*: use another backup$"):
            backups.restore(manifest, backups.source, replace=True)
        path.write_bytes(good)
    assert (rows_of(backups.source), documents_of(backups.source)) == before


@ON_SQLITE
def test_a_file_that_is_missing_is_named(backups: Backups) -> None:
    manifest = backups.create()
    path = backups.root / manifest.backup_id / "mongodb.audit.bson.zst"
    path.unlink()
    refused = trivet("backup", "restore", environment=backups.environment_of(backups.fresh()))
    assert refused.stderr == f"trivet: {path} is missing: the backup was damaged after it was written\n"


@ON_SQLITE
@pytest.mark.parametrize("damage", [cut, altered, emptied, another_json])
def test_a_damaged_manifest_is_named_and_hides_no_other(backups: Backups, damage: Callable[[bytes], bytes]) -> None:
    first, second = backups.create(), backups.create()
    path = backups.root / second.backup_id / "manifest.json"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CommandFailed, match=rf"^{path} is damaged: "):
        chosen(backups.destination, "latest")
    listed = trivet("backup", "list", environment=backups.environment)
    assert first.backup_id in listed.stdout
    assert f"{path} is damaged" in listed.stderr


def rewritten(backups: Backups, manifest: Manifest, **changes: Any) -> Manifest:
    """Write a manifest of another server or schema, as a backup of such a one would have."""
    other = replace(manifest, **changes)
    (backups.root / manifest.backup_id / "manifest.json").write_bytes(other.encode())
    return other


def of_version(part: Part, version: str) -> Part:
    return replace(part, engine_version=version) if part.store == "sql" else part


@ON_SQLITE
def test_a_schema_that_is_newer_than_the_code_is_refused(backups: Backups) -> None:
    manifest = rewritten(backups, backups.create(), schema="9999")
    with pytest.raises(CommandFailed, match=r"is 9999, which this version does not know: use the version"):
        backups.restore(manifest, backups.fresh())


@pytest.mark.parametrize("sql_engine", ["mariadb", "postgresql"])
def test_a_server_of_an_older_major_version_is_refused(backups: Backups, sql_engine: str) -> None:
    manifest = backups.create()
    newer = tuple(of_version(part, "99.1.2") for part in manifest.parts)
    with pytest.raises(CommandFailed, match=rf"the backup is of {sql_engine} 99\.1\.2, and the server is the older "):
        backups.restore(rewritten(backups, manifest, parts=newer), backups.fresh())


@pytest.mark.parametrize("sql_engine", ["mariadb", "postgresql"])
def test_another_engine_is_refused(backups: Backups, sql_engine: str, tmp_path: Path) -> None:
    manifest = backups.create()
    target = replace(backups.fresh(), sql=f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(CommandFailed, match=rf"^DATABASE_URL: the backup is of {sql_engine}, and this is sqlite"):
        backups.restore(manifest, target)
    assert not (tmp_path / "other.db").exists()


def test_a_target_in_use_is_refused(backups: Backups) -> None:
    manifest = backups.create()
    before = rows_of(backups.source)
    with engine_of(backups.source.store) as engine, engine.connect() as user:
        if engine.dialect.name == "sqlite":
            user.exec_driver_sql("PRAGMA journal_mode = WAL")  # as identity opens it
        user.execute(text("SELECT count(*) FROM users"))
        with pytest.raises(CommandFailed, match=r"in use .*: stop Trivet's processes, then restore$"):
            backups.restore(manifest, backups.source, replace=True)
    assert rows_of(backups.source) == before


@ON_SQLITE
def test_a_database_without_a_schema_is_not_backed_up(backups: Backups) -> None:
    refused = trivet("backup", "create", environment=backups.environment_of(backups.fresh()))
    assert refused.returncode != 0
    assert refused.stderr.count("\n") == 1
    assert backups.destination.ids() == []


@ON_SQLITE
@pytest.mark.parametrize("arguments", [("show", "20260101T000000000Z-00000000"), ("verify", "../../etc"), ("show",)])
def test_a_backup_that_is_not_there_is_named(backups: Backups, arguments: tuple[str, ...]) -> None:
    refused = trivet("backup", *arguments, environment=backups.environment)
    assert refused.returncode == 1
    assert refused.stderr.startswith("trivet: there is no backup ")
