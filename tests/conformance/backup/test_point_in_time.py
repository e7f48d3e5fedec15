"""Point-in-time recovery by the steps of docs/operations.md: to the second before a bad DELETE."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import delete, func, select, text

from ops.backup.addresses import StoreAddresses
from ops.backup.destinations.folder import FolderDestination
from ops.backup.sql.client_files import mysql_options
from ops.backup.sql.database import engine_of
from services.identity.schema import users
from services.identity.store.engine import store_url
from services.identity.store.schema import migrate
from tests.conformance.backup.conftest import Backups, MakeStores, fill, sign_up
from tests.harness.child_processes import as_child
from tests.harness.ports import free_port
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine, find, other_user, wait_for_postgresql
from tests.harness.waiting import eventually

pytestmark = pytest.mark.slow
USERS = 8


@contextmanager
def mariadb_with_binlog() -> Iterator[Engine]:
    with engines.mariadb(lambda _: ("--log-bin=binlog", "--binlog-format=ROW", "--server-id=1")) as engine:
        yield engine


def count_of(sql: str) -> int:
    with engine_of(store_url.parse(sql)) as engine, engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(users)) or 0)


def next_second(sql: str) -> str:
    """Return the server's time at the start of its next second: what was done before is in the one before."""
    asked = {"postgresql": "SELECT date_trunc('second', clock_timestamp())::text"}
    with engine_of(store_url.parse(sql)) as engine, engine.connect() as connection:
        clock = text(asked.get(engine.dialect.name, "SELECT SYSDATE()"))
        first = connection.scalar(clock)
        eventually(lambda: connection.scalar(clock) != first, seconds=30)
        return str(connection.scalar(clock))


def delete_everyone(sql: str) -> None:
    with engine_of(store_url.parse(sql)) as engine, engine.begin() as connection:
        connection.execute(delete(users))


@pytest.mark.parametrize("sql_engine", ["sqlite"])
def test_mariadb_comes_back_to_the_second_before_a_bad_delete(fresh: MakeStores, tmp_path: Path) -> None:
    with mariadb_with_binlog() as server:
        source = replace(fresh(), sql=server.url)
        migrate.upgrade(source.sql)
        fill(source, USERS)
        root = tmp_path / "backups"
        backups = Backups(FolderDestination(root), root, source, fresh)
        manifest = backups.create()
        (note,) = [note for note in manifest.notes if note.startswith("the binary log stood at ")]
        file, _, position = note.split()[5].partition(":")
        sign_up(source, "after-the-backup@example.com")
        before_it = next_second(source.sql)
        delete_everyone(source.sql)
        assert count_of(source.sql) == 0
        with engine_of(source.store) as engine, engine.connect() as connection:
            names = [row[0] for row in connection.execute(text("SHOW BINARY LOGS"))]
        assert server.folder is not None
        logs = [str(server.folder / "data" / name) for name in names if name >= file]
        with engines.mariadb() as another:
            target = StoreAddresses(another.url, fresh().mongodb)
            backups.restore(manifest, target)
            assert count_of(target.sql) == USERS
            select_events = ["--no-defaults", f"--start-position={position}", f"--stop-datetime={before_it}"]
            replayed = subprocess.run(
                [find("mariadb-binlog"), *select_events, "--database=trivet", *logs], capture_output=True, check=True
            )
            with mysql_options(target.store, is_mariadb=True) as options:
                client = [find("mariadb"), f"--defaults-file={options}", "trivet"]
                subprocess.run(client, input=replayed.stdout, capture_output=True, check=True)
            assert count_of(target.sql) == USERS + 1


def pg_settings(folder: Path) -> dict[str, str]:
    return {
        "wal_level": "replica",
        "archive_mode": "on",
        "archive_command": f"test ! -f {folder}/archive/%f && cp %p {folder}/archive/%f",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
    }


@contextmanager
def postgres_on(data: Path, folder: Path, settings: dict[str, str]) -> Iterator[str]:
    """Run a server on a data folder; yield its address."""
    port, user = free_port(), other_user("postgres")
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [find("postgres"), "-D", str(data), "-p", str(port), *options]
    with engines.running(Engine("postgresql", ""), command, port, folder, user=user):
        url = f"postgresql://trivet:trivet-test@127.0.0.1:{port}/postgres"
        wait_for_postgresql(url)
        yield url


def run_as_postgres(command: list[str], **environment: str) -> None:
    user = other_user("postgres")
    done = subprocess.run(
        as_child(command, user=user),
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("sql_engine", ["sqlite"])
def test_postgresql_comes_back_to_the_second_before_a_bad_delete(fresh: MakeStores) -> None:
    with engines.server_folder("pitr", other_user("postgres")) as folder:
        (folder / "password").write_text("trivet-test")
        (folder / "password").chmod(0o644)
        data, base = folder / "data", folder / "base"
        run_as_postgres([find("mkdir"), str(folder / "archive")])
        making = [find("initdb"), "-D", str(data), "-U", "trivet", "-A", "scram-sha-256", "-E", "UTF8"]
        run_as_postgres([*making, f"--pwfile={folder}/password"])
        with postgres_on(data, folder, pg_settings(folder)) as url:
            source = replace(fresh(), sql=url)
            migrate.upgrade(url)
            fill(source, USERS)
            port = str(urlsplit(url).port)
            where = ["-h", "127.0.0.1", "-p", port, "-U", "trivet"]
            run_as_postgres([find("pg_basebackup"), *where, "-D", str(base)], PGPASSWORD="trivet-test")
            sign_up(source, "after-the-backup@example.com")
            before_it = next_second(url)
            delete_everyone(url)
            with psycopg.connect(url, autocommit=True) as connection:
                (last,) = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone() or ("",)
                archived = "SELECT last_archived_wal FROM pg_stat_archiver"
                eventually(lambda: (connection.execute(archived).fetchone() or ("",))[0] == last, seconds=60)
        run_as_postgres([find("touch"), str(base / "recovery.signal")])
        recovery = {
            "restore_command": f"cp {folder}/archive/%f %p",
            "recovery_target_time": before_it,
            "recovery_target_inclusive": "off",
            "recovery_target_action": "promote",
        }
        with postgres_on(base, folder, {**pg_settings(folder), "archive_mode": "off", **recovery}) as url:
            with psycopg.connect(url, autocommit=True) as connection:
                asked = "SELECT pg_is_in_recovery()"
                eventually(lambda: connection.execute(asked).fetchone() == (False,), seconds=60)
            assert count_of(url) == USERS + 1


@pytest.mark.parametrize("sql_engine", ["mariadb"])
def test_the_position_is_left_out_where_there_is_no_binary_log(backups: Backups) -> None:
    assert not [note for note in backups.create().notes if "binary log" in note]
