"""Servers that are made to fail, and what the command line and the log say of it."""

import logging
import os
import shutil
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
from sqlalchemy.pool import NullPool

from ops.errors import CommandFailed, WrongSettings
from ops.identity.database_failures import explained
from runtime.errors import ServiceError
from runtime.ids import new_id
from services.identity.store.database import Database
from services.identity.store.engine import store_url
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.faults import diagnosis
from tests.conftest import Engines
from tests.harness.stores.engines import Engine
from tests.harness.waiting import eventually


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
