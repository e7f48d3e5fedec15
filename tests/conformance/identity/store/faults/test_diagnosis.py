"""A database that fails is named with its mend, by the command line and in the log, on real servers."""

import logging
import os
import shutil
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from ops.errors import CommandFailed, WrongSettings
from ops.identity.database_failures import explained
from runtime.errors import ServiceError
from runtime.ids import new_id
from services.identity.store.database import Database
from services.identity.store.engine import store_url, versions
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.faults import diagnosis
from services.identity.store.faults.diagnosis import diagnose
from services.identity.store.schema import migrate
from services.identity.store.schema.schema_check import SchemaCheck
from tests.conftest import Engines
from tests.harness.stores.engines import Engine
from tests.harness.waiting import eventually

KINDS = ("mariadb", "postgresql")


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, engine: Engines) -> Engine:
    return own(request.param, engine)


def own(name: str, engine: Engines) -> Engine:
    """Return a server that the tests have started: its settings and users are changed."""
    found = engine.get(name)
    if found.folder is None:
        pytest.skip("the server was given by its URL: its settings are not a test's to change")
    return found


@contextmanager
def administrator(server: Engine) -> Iterator[Connection]:
    """Connect as one who may do anything."""
    url = f"mysql://root@localhost/trivet?socket={server.folder}/s" if server.name == "mariadb" else server.url
    address, arguments = store_url.parse(url).for_operator()
    engine = create_engine(address, connect_args=arguments, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def at(server: Engine, query: str = "", **changed: Any) -> str:
    url = make_url(server.url).set(**changed).render_as_string(hide_password=False)
    return f"{url}?{query}" if query else url


@contextmanager
def user(server: Engine, more: str = "") -> Iterator[str]:
    """Make a user who may only work in the database; yield the address."""
    name = f"u{new_id().lower()[:12]}"
    with administrator(server) as connection:
        if server.name == "mariadb":
            connection.execute(text(f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY 'p' {more}"))
            connection.execute(text(f"GRANT SELECT, INSERT, CREATE ON trivet.* TO '{name}'@'127.0.0.1'"))
        else:
            connection.execute(text(f"CREATE USER {name} PASSWORD 'p' {more}"))
        try:
            yield at(server, username=name, password="p")
        finally:
            connection.execute(
                text(f"DROP USER '{name}'@'127.0.0.1'" if server.name == "mariadb" else f"DROP USER {name}")
            )


def operate(url: str, statement: str) -> None:
    """Run a statement as the operator's commands do."""
    with explained(url), operator_engine(store_url.parse(url)).begin() as connection:
        connection.execute(text(statement))


async def told(url: str, caplog: pytest.LogCaptureFixture, statement: str = "SELECT 1") -> tuple[CommandFailed, str]:
    """Run a statement as an operator and as the service; return what the command says and what the log does."""
    with pytest.raises(CommandFailed) as refused:
        operate(url, statement)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        async with Database.open(store_url.parse(url)) as database:
            with pytest.raises(Exception) as failed:  # noqa: PT011  # a missing right is a bug to the service
                await database.transaction("tests.trouble", lambda transaction: transaction.execute(text(statement)))
    assert (
        isinstance(failed.value, ServiceError)
        or "42501" in str(failed.value)
        or "ermission denied" in str(failed.value)
    )
    log = "services.identity.store.faults.failure_log"
    (line,) = [record.getMessage() for record in caplog.records if record.name == log]
    assert "trivet-test" not in line + str(refused.value)
    return refused.value, line


def assert_named(found: tuple[CommandFailed, str], expected: diagnosis.Diagnosis) -> None:
    refusal, line = found
    assert str(refusal).startswith(f"DATABASE_URL: {expected.problem}: {expected.remedy} (")
    assert f"{expected.problem}: {expected.remedy} (" in line
    assert isinstance(refusal, WrongSettings) is not expected.is_transient, "what no waiting mends is not waited for"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"database": "nowhere"}, diagnosis.NO_DATABASE),
        ({"password": "wrong"}, diagnosis.WRONG_PASSWORD),
        ({"query": "sslmode=require"}, diagnosis.TLS_REFUSED),
        ({"port": 1}, diagnosis.NOTHING_LISTENS),
        ({"host": "nowhere.invalid"}, diagnosis.NO_SUCH_HOST),
    ],
    ids=lambda value: value.problem if isinstance(value, diagnosis.Diagnosis) else "",
)
async def test_an_address_that_leads_nowhere_is_named(
    server: Engine, caplog: pytest.LogCaptureFixture, changed: dict[str, Any], expected: diagnosis.Diagnosis
) -> None:
    assert_named(await told(at(server, **changed), caplog), expected)


async def test_too_many_connections_are_named(server: Engine, caplog: pytest.LogCaptureFixture) -> None:
    limit = "WITH MAX_USER_CONNECTIONS 1" if server.name == "mariadb" else "CONNECTION LIMIT 1"
    with user(server, limit) as url, operator_engine(store_url.parse(url)).connect() as connection:
        connection.execute(text("SELECT 1"))
        assert_named(await told(url, caplog), diagnosis.TOO_MANY)


async def test_a_server_that_takes_no_writes_is_named(server: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with user(server) as url, administrator(server) as connection:
        name = make_url(url).username
        make = (
            "SET GLOBAL read_only = {}"
            if server.name == "mariadb"
            else f"ALTER USER {name} SET default_transaction_read_only = {{}}"
        )
        connection.execute(text(make.format("on")))
        try:
            found = await told(url, caplog, "CREATE TABLE of_a_test (x integer)")
        finally:
            connection.execute(text(make.format("off")))
    assert_named(found, diagnosis.READ_ONLY)


async def test_a_missing_right_is_named(server: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with user(server) as url:
        statement = "DROP TABLE outbox" if server.name == "mariadb" else "CREATE TABLE of_a_test (x integer)"
        migrate.upgrade(server.url)
        assert_named(await told(url, caplog, statement), diagnosis.NO_RIGHT)


async def test_a_full_table_of_mariadb_is_named(engine: Engines, caplog: pytest.LogCaptureFixture) -> None:
    """A table in memory is full with the error of a full disk; on a full disk InnoDB itself ends the server."""
    server = own("mariadb", engine)
    with administrator(server) as connection:
        connection.execute(text("SET SESSION max_heap_table_size = 16384"))
        connection.execute(text("CREATE TABLE trivet.of_a_test (x char(200)) ENGINE=MEMORY"))
        try:
            found = await told(server.url, caplog, "INSERT INTO of_a_test SELECT 'x' FROM seq_1_to_1000")
        finally:
            connection.execute(text("DROP TABLE trivet.of_a_test"))
    assert_named(found, diagnosis.DISK_FULL)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of 3 MB."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no disk can be mounted here: that takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_of_postgresql_is_named(engine: Engines, caplog: pytest.LogCaptureFixture) -> None:
    server = own("postgresql", engine)
    assert server.folder is not None
    with small_disk(server.folder / "small") as disk, administrator(server) as connection:
        shutil.chown(disk, server.folder.owner())
        connection.execute(text(f"CREATE TABLESPACE small LOCATION '{disk}'"))
        try:
            connection.execute(text("CREATE TABLE of_a_test (x text) TABLESPACE small"))
            fill = "INSERT INTO of_a_test SELECT repeat(md5(i::text), 40) FROM generate_series(1, 5000) i"
            found = await told(server.url, caplog, fill)
        finally:
            connection.execute(text("DROP TABLE IF EXISTS of_a_test"))
            connection.execute(text("DROP TABLESPACE small"))
    assert_named(found, diagnosis.DISK_FULL)


async def test_sqlite_names_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with small_disk(tmp_path / "small") as disk:
        url = f"sqlite:///{disk}/trivet.db"
        migrate.upgrade(url)
        fill = "CREATE TABLE of_a_test AS SELECT randomblob(4000000)"
        refusal, line = await told(url, caplog, fill)
        assert str(refusal).startswith(f"{disk}/trivet.db: the disk of the database is full: free space on it")
        assert "the disk of the database is full: free space on it" in line


@contextmanager
def with_tls(server: Engine, rule: str = "") -> Iterator[None]:
    """Have PostgreSQL speak TLS with a certificate of its own making, and put a rule before the others."""
    assert server.folder is not None
    folder, rules = server.folder / "data", server.folder / "data" / "pg_hba.conf"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for file, data in (("server.crt", certificate.public_bytes(serialization.Encoding.PEM)), ("server.key", pem)):
        (folder / file).write_bytes(data)
        (folder / file).chmod(0o600)
        shutil.chown(folder / file, folder.owner())
    before = rules.read_text()
    rules.write_text(f"{rule}\n{before}")
    with administrator(server) as connection:
        for statement in ("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"):
            connection.execute(text(statement))
        eventually(lambda: connection.scalar(text("SHOW ssl")) == "on", seconds=10)
        try:
            yield
        finally:
            rules.write_text(before)
            for statement in ("ALTER SYSTEM RESET ssl", "SELECT pg_reload_conf()"):
                connection.execute(text(statement))
            eventually(lambda: connection.scalar(text("SHOW ssl")) == "off", seconds=10)


async def test_a_certificate_that_nothing_here_trusts_is_named(
    engine: Engines, caplog: pytest.LogCaptureFixture
) -> None:
    server = own("postgresql", engine)
    with with_tls(server):
        refusal, line = await told(at(server, "sslmode=verify-full", host="localhost"), caplog)
    assert_named((refusal, line), diagnosis.TLS_UNVERIFIED)


async def test_a_server_that_wants_tls_of_a_user_is_named(engine: Engines, caplog: pytest.LogCaptureFixture) -> None:
    server = own("postgresql", engine)
    with user(server) as url, with_tls(server, f"hostnossl all {make_url(url).username} all reject"):
        assert_named(await told(f"{url}?sslmode=disable", caplog), diagnosis.NOT_ADMITTED)


@pytest.mark.parametrize("kind", ["sqlite", "mariadb", "postgresql"])
async def test_a_server_that_is_too_old_is_named(
    engine: Engines, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No old server is at hand: today's is older than what is asked for."""
    for each in (kind, "mysql"):  # a server by its URL may be MySQL
        monkeypatch.setitem(versions.OLDEST, each, (99,))
    url = f"sqlite:///{folder}/old.db" if kind == "sqlite" else engine.get(kind).url
    for work in (migrate.upgrade, migrate.status):
        with pytest.raises(WrongSettings, match="is too old: upgrade the server to 99 or later"), explained(url):
            work(url)
    async with Database.open(store_url.parse(url), check_schema=SchemaCheck()) as database:
        for _ in range(2):
            with pytest.raises(ServiceError) as refused:
                await database.ping()
            assert refused.value.reason == "STORE_TOO_OLD"
    lines = [record.getMessage() for record in caplog.records if "is too old" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("the database of DATABASE_URL cannot be used: ")


def test_what_other_servers_say_is_known_by_its_code() -> None:
    def failed(cause: Exception) -> OperationalError:
        return OperationalError("", {}, cause)

    space = Exception(1030, 'Got error 28 "No space left on device" from storage engine InnoDB')
    assert diagnose(failed(space)) is diagnosis.DISK_FULL
    assert diagnose(failed(Exception(1030, "Got error 168 from storage engine"))) is None
    assert diagnose(failed(Exception(3159, "insecure transport"))) is diagnosis.TLS_WANTED
    shared = sqlite3.OperationalError("disk I/O error")
    shared.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"  # no room for the file beside a write-ahead log
    assert diagnose(failed(shared)) is diagnosis.DISK_FULL
    error = failed(Exception(2003, "can't connect"))
    error.__cause__ = ssl.SSLCertVerificationError("unable to get local issuer certificate")
    assert diagnose(error) is diagnosis.TLS_UNVERIFIED
    assert diagnose(ValueError("x")) is None
