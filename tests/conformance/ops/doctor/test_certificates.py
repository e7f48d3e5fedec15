"""Certificates of real servers, and in files: expired, soon, and not yet valid."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from sqlalchemy import make_url

from ops.doctor import certificates, redis
from ops.doctor.certificates import after_mysql, after_postgresql, after_smtp, at_once
from ops.doctor.examination import examine
from ops.doctor.finding import Severity
from ops.doctor.tls import checks
from ops.stack.endpoints import Endpoints
from runtime.clock import utc_now
from tests.conformance.ops.schema.conftest import operate
from tests.conftest import Engines
from tests.harness.peers.smtp import mail_server
from tests.harness.ports import free_port
from tests.harness.stores.engines import Engine, find, mariadb, running, server_folder

LATER = datetime.now(UTC) + timedelta(days=365 * 90)
YEAR_3001 = datetime(3001, 1, 1, tzinfo=UTC)
"""After the end of the certificates that the mail server of the tests has."""
NOTHING = Endpoints(is_running=False, url="", services={}, metrics={}, sql="", mongodb="", redis="")


def _write(folder: Path, ends: datetime) -> Path:
    """Write cert.pem and key.pem of a server, and ca.pem, into a folder; return it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", not_after=ends)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    return folder


def _expired(folder: Path) -> list[str]:
    """Write an expired certificate, and return MariaDB's options for it."""
    _write(folder, datetime.now(UTC) - timedelta(days=1))
    return [f"--ssl-cert={folder}/cert.pem", f"--ssl-key={folder}/key.pem"]


@contextlib.contextmanager
def _redis_with_tls(ends: datetime) -> Iterator[str]:
    with server_folder("redis-tls", None) as folder:
        _write(folder, ends)
        port = free_port()
        files = ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-ca-cert-file", "ca.pem"]
        command = [find("redis-server"), "--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", *files]
        with running(Engine("redis", ""), [*command, "--save", ""], port, folder):
            yield f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={folder}/ca.pem"


@pytest.mark.parametrize(
    ("days", "severity", "words"),
    [(-1, Severity.ERROR, "has expired"), (10, Severity.WARNING, "in 9 days"), (90, None, "")],
)
async def test_the_certificate_of_redis_is_found(days: int, severity: Severity | None, words: str) -> None:
    now = datetime.now(UTC)
    with _redis_with_tls(now + timedelta(days=days)) as url:
        found = await examine(checks(Endpoints(**{**vars(NOTHING), "redis": url}), None, now))
        reachable = await redis.examine(url, utc_now)
    own = [each for each in found if "Redis" in each.problem]
    assert [each.severity for each in own] == ([severity] if severity else [])
    assert all(words in each.problem for each in own)
    assert any(each.check == redis.CHECK for each in reachable) is (days < 0)


async def test_the_certificate_of_mariadb_is_read_after_its_greeting() -> None:
    with mariadb(_expired) as server:
        port = make_url(server.url).port or 0
        (finding,) = await certificates.shown("the database", "127.0.0.1", port, utc_now(), after_mysql)
    assert "the certificate of the database has expired" in finding.problem


async def test_the_certificate_of_postgresql_is_read_after_its_request(engine: Engines) -> None:
    server = engine.get("postgresql")
    assert server.folder is not None
    place = server.folder / f"tls-{secrets.token_hex(4)}"
    place.mkdir()
    _write(place, datetime.now(UTC) - timedelta(days=1))
    owner = (server.folder / "data").stat()
    for each in (place, *place.iterdir()):
        os.chown(each, owner.st_uid, owner.st_gid)
    (place / "key.pem").chmod(0o600)
    files = f"ALTER SYSTEM SET ssl_cert_file = '{place}/cert.pem'", f"ALTER SYSTEM SET ssl_key_file = '{place}/key.pem'"
    operate(server.url, *files, "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
    try:
        port = make_url(server.url).port or 0
        found = []
        for _ in range(200):  # the server reads its configuration a moment later
            if found := await certificates.shown("the database", "127.0.0.1", port, utc_now(), after_postgresql):
                break
    finally:
        operate(server.url, "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
        shutil.rmtree(place)
    (finding,) = found
    assert "the certificate of the database has expired" in finding.problem


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_the_certificate_of_the_mail_server_is_read(tls: str) -> None:
    with mail_server(tls=tls) as server:
        opening = after_smtp if tls == "starttls" else at_once
        (finding,) = await certificates.shown("the mail server", "127.0.0.1", server.port, YEAR_3001, opening)
    assert "the certificate of the mail server has expired" in finding.problem


async def test_a_server_without_tls_or_without_an_answer_has_no_certificate(engine: Engines) -> None:
    ports = {after_mysql: make_url(engine.get("mariadb").url).port or 0, at_once: free_port(), after_smtp: free_port()}
    for opening, port in ports.items():
        assert await certificates.shown("it", "127.0.0.1", port, LATER, opening) == []


async def test_certificates_in_files_are_checked(tmp_path: Path) -> None:
    file = str(_write(tmp_path, datetime.now(UTC) + timedelta(days=60)) / "cert.pem")
    assert await certificates.in_files(["", file], utc_now()) == []
    (finding,) = await certificates.in_files([file, file], LATER)
    assert finding.problem.startswith(f"the certificate in {file} has expired")
    (early,) = await certificates.in_files([file], datetime(1990, 1, 1, tzinfo=UTC))
    assert "is valid from" in early.problem
    assert await certificates.in_files([str(tmp_path / "none.pem"), str(tmp_path / "key.pem")], utc_now()) == []
