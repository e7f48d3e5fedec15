"""A database that fails is named with its mend, by the command line and in the log, on real servers."""

import shutil
import sqlite3
import ssl
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from ops.errors import WrongSettings
from ops.identity.database_failures import explained
from runtime.errors import ServiceError
from services.identity.store.database import Database
from services.identity.store.engine import store_url, versions
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.faults import diagnosis
from services.identity.store.faults.diagnosis import diagnose
from services.identity.store.schema import migrate
from services.identity.store.schema.schema_check import SchemaCheck
from tests.conformance.identity.store.faults.failing_servers import (
    administrator,
    assert_named,
    at,
    own,
    small_disk,
    told,
    user,
    with_tls,
)
from tests.conftest import Engines
from tests.harness.stores.engines import Engine

KINDS = ("mariadb", "postgresql")


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, engine: Engines) -> Engine:
    return own(request.param, engine)


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
