"""docs/recovery.md: its commands bring a database back to the second before a bad DELETE."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import create_engine

from ops.backup.addresses import StoreAddresses
from runtime.ids import new_id
from services.identity.store.engine import store_url
from services.identity.store.schema.migrate import upgrade
from tests.conformance.backup.conftest import documents, email_of_session, sign_up, write_documents
from tests.conftest import Engines
from tests.harness.child_processes import as_child
from tests.harness.ports import free_port
from tests.harness.processes import ROOT
from tests.harness.stack import environment
from tests.harness.stores.engines import Engine, MissingEngineError, find, other_user, running, server_folder
from tests.harness.waiting import eventually

PAGE = ROOT / "docs" / "recovery.md"
BLOCK_SECONDS = 200
T = TypeVar("T")


def blocks(heading: str, language: str) -> list[str]:
    """Return the code of one language below a heading of the page, block by block."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@dataclass
class Shell:
    """Runs the blocks of a page, as a user, with the variables that it names."""

    user: str | None
    folder: Path
    variables: Mapping[str, str]
    cwd: Path = ROOT

    def run(self, block: str, **more: str) -> str:
        command = as_child(["bash", "-euo", "pipefail", "-c", block], user=self.user)
        paths = os.pathsep.join([str(Path(find("postgres")).parent), os.environ["PATH"]])
        known = {**more, "PATH": paths, "HOME": str(self.folder), "TZ": "UTC", **self.variables}
        with (self.folder / "output").open("w+") as output:  # no pipe: a server that a block starts keeps it open
            done = subprocess.run(
                command, env=known, stdout=output, stderr=subprocess.STDOUT, cwd=self.cwd, timeout=BLOCK_SECONDS
            )
            output.seek(0)
            printed = output.read()
        assert done.returncode == 0, f"{block}\n{printed}"
        return printed


def scalar(url: str, query: str) -> str:
    """Run a statement; return the first value of its result as text."""
    address, arguments = store_url.parse(url).for_operator()
    engine = create_engine(address, connect_args=arguments, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql(query)
            return str(found.scalar()) if found.returns_rows else ""
    finally:
        engine.dispose()


@contextmanager
def mariadb_with_log() -> Iterator[tuple[str, Shell]]:
    """MariaDB with the settings of the page."""
    server, install, user = find("mariadbd"), find("mariadb-install-db"), other_user("mysql")
    with server_folder("mariadb", user) as folder:
        data, port = folder / "data", free_port()
        making = [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
        subprocess.run(as_child(making, user=user), check=True, capture_output=True)
        (settings,) = blocks("MariaDB and MySQL", "ini")
        (folder / "server.cnf").write_text(settings)
        (folder / ".my.cnf").write_text(f"[client]\nsocket={folder}/s\nuser=root\n")
        (folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS trivet;\n"
            "CREATE USER IF NOT EXISTS 'trivet'@'127.0.0.1' IDENTIFIED BY 'trivet';\n"
            "GRANT ALL ON trivet.* TO 'trivet'@'127.0.0.1';\n"
            "GRANT BINLOG MONITOR ON *.* TO 'trivet'@'127.0.0.1';\n"
        )
        command = [server, f"--defaults-file={folder}/server.cnf", f"--datadir={data}", f"--socket={folder}/s"]
        command += [f"--port={port}", "--bind-address=127.0.0.1", f"--tmpdir={folder}", f"--pid-file={folder}/pid"]
        command += ["--skip-name-resolve", "--innodb-buffer-pool-size=64M", f"--init-file={folder}/init.sql"]
        with running(Engine("mariadb", ""), command, port, folder, user=user):
            yield f"mariadb://trivet:trivet@127.0.0.1:{port}/trivet", _shell(None, folder, DATA=str(data))


@contextmanager
def postgresql_with_archive() -> Iterator[tuple[str, Shell]]:
    """PostgreSQL with the settings of the page."""
    user = other_user("postgres")
    with server_folder("postgresql", user) as folder:
        data, port = folder / "data", free_port()
        own = {
            "PGDATA": str(data),
            "PGHOST": str(folder),
            "PGPORT": str(port),
            "PGUSER": "trivet",
            "PGDATABASE": "postgres",
        }
        shell = _shell(user, folder, **own)
        shell.run('initdb --username=trivet --auth=trust --encoding=UTF8 --no-sync --pgdata="$PGDATA"')
        (settings,) = blocks("PostgreSQL", "ini")
        settings += (
            f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\ntimezone = 'UTC'\n"
        )
        with (data / "postgresql.conf").open("a") as file:
            file.write(local(settings, folder))
        shell.run('pg_ctl start --wait --pgdata="$PGDATA" --log="$PGDATA.log"; createdb trivet')
        try:
            yield f"postgresql://trivet@127.0.0.1:{port}/trivet", shell
        finally:
            shell.run('pg_ctl stop --mode=immediate --pgdata="$PGDATA"')


def _shell(user: str | None, folder: Path, **own: str) -> Shell:
    logs = folder / "logs"
    logs.mkdir()
    if user is not None:
        shutil.chown(logs, user)
    return Shell(user, folder, {"BASE": str(folder / "base"), "LOGS": str(logs), **own})


def local(text: str, folder: Path) -> str:
    """Return a text of the page with this test's folder in place of the page's."""
    return text.replace("/var/backups/wal", f"{folder}/logs")


@pytest.fixture
def mongodb(engine: Engines) -> str:
    return f"{engine.get('secantusdb').url}/point_{new_id().lower().replace('-', '')}"


@pytest.fixture
def mariadb() -> Iterator[tuple[str, Shell]]:
    with or_skip(mariadb_with_log()) as found:
        yield found


@pytest.fixture
def postgresql() -> Iterator[tuple[str, Shell]]:
    with or_skip(postgresql_with_archive()) as found:
        yield found


@contextmanager
def or_skip(server: AbstractContextManager[T]) -> Iterator[T]:
    """Open a server; skip the test if it is not on this machine, fail it if TRIVET_TEST_REQUIRE=all."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(server)
        except MissingEngineError as error:
            if os.environ.get("TRIVET_TEST_REQUIRE") == "all":
                pytest.fail(str(error))
            pytest.skip(str(error))
        yield found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mariadb_goes_back_to_the_second_before_a_bad_delete(
    mariadb: tuple[str, Shell], mongodb: str, tmp_path: Path
) -> None:
    base, copy, find_second, recover = blocks("MariaDB and MySQL", "sh")
    url, shell = mariadb
    stores = StoreAddresses(url, mongodb)
    upgrade(url)
    first = sign_up(stores, "before@example.com")
    trivet = _environment(stores, tmp_path)
    shell.run(base, **trivet)
    second = sign_up(stores, "after@example.com")
    written = int(scalar(url, "SELECT unix_timestamp()"))
    eventually(lambda: int(scalar(url, "SELECT unix_timestamp()")) > written, seconds=10)
    scalar(url, "DELETE FROM users")
    sign_up(stores, "late@example.com")
    shell.run(copy)
    count, day, time = shell.run(find_second).split()
    assert count == "2"
    shell.run(recover, **trivet, UNTIL=f"20{day[:2]}-{day[2:4]}-{day[4:]} {time:0>8}")
    _is_recovered(stores, {first: "before@example.com", second: "after@example.com"})
    _mongodb_follows(stores, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_postgresql_goes_back_to_the_second_before_a_bad_delete(
    postgresql: tuple[str, Shell], mongodb: str, tmp_path: Path
) -> None:
    base, stop, start = blocks("PostgreSQL", "sh")
    url, shell = postgresql
    stores = StoreAddresses(url, mongodb)
    upgrade(url)
    first = sign_up(stores, "before@example.com")
    shell.run(base)
    second = sign_up(stores, "after@example.com")
    until = scalar(url, "SELECT clock_timestamp()")
    scalar(url, "DELETE FROM users")
    sign_up(stores, "late@example.com")
    shell.run(local(stop, shell.folder), UNTIL=until)
    shell.run(start)
    assert scalar(url, "SELECT pg_is_in_recovery()") == "False"
    _is_recovered(stores, {first: "before@example.com", second: "after@example.com"})
    _mongodb_follows(stores, tmp_path)


def _is_recovered(stores: StoreAddresses, sessions: Mapping[str, str]) -> None:
    """Fail unless exactly these users are there, with their sessions, and the database takes writes."""
    assert scalar(stores.sql, "SELECT count(*) FROM users") == str(len(sessions))
    assert {token: email_of_session(stores, token) for token in sessions} == sessions
    sign_up(stores, "again@example.com")


def _mongodb_follows(stores: StoreAddresses, folder: Path) -> None:
    """Run the page's last block: documents of users whom the database does not know any more are left out."""
    known = scalar(stores.sql, "SELECT id FROM users WHERE email = 'before@example.com'")
    with documents(stores) as database:
        write_documents(database, known, 1)
        write_documents(database, "user-late", 2)
    (block,) = blocks("After a recovery", "sh")
    done = subprocess.run(
        as_child(["bash", "-euo", "pipefail", "-c", block]),
        env=_environment(stores, folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=BLOCK_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    with documents(stores) as database:
        assert {row["userId"] for row in database["notifications"].find()} == {known}
    assert "of users whom the database does not know yet were left out" in done.stderr


def _environment(stores: StoreAddresses, folder: Path) -> dict[str, str]:
    """Return the environment of Trivet's commands."""
    addresses = {"DATABASE_URL": stores.sql, "MONGODB_URI": stores.mongodb, "TRIVET_BACKUP_TO": str(folder / "backups")}
    return environment(folder / "data", **addresses)
