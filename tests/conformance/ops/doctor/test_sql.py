"""What `trivet doctor` finds in a database, on every engine: each fault is made, and a sound database has none."""

import socket
import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import make_url, text

from ops.doctor import clocks, collations, end_of_life, sql
from ops.doctor.examination import Check, examine
from ops.doctor.finding import Finding, Severity
from runtime.clock import utc_now
from services.identity.store.schema import history, migrate
from services.identity.store.schema.schema_check import revisions
from tests.conformance.ops.schema.conftest import operate
from tests.conftest import Engines
from tests.harness.ports import free_port


async def _found(address: str) -> list[Finding]:
    """Return the findings, without those about the age of the engine that this machine has."""
    return [each for each in await sql.examine(address, utc_now) if each.check != end_of_life.CHECK]


def _kind(address: str) -> str:
    return make_url(address).get_backend_name().replace("mariadb", "mysql")


async def test_a_migrated_database_has_no_findings(url: str) -> None:
    assert await _found(url) == []


async def test_a_missing_migration_is_an_error_with_the_command(url: str) -> None:
    migrate.downgrade(url, 1)
    (finding,) = [each for each in await _found(url) if each.check == "migrations"]
    assert (finding.severity, finding.remedy) == (Severity.ERROR, "run `trivet db migrate`")


async def test_a_schema_of_a_later_release_is_an_error(url: str) -> None:
    operate(url, "UPDATE alembic_version SET version_num = '9999'")
    (finding,) = [each for each in await _found(url) if each.check == "migrations"]
    assert "9999" in finding.problem
    assert finding.severity is Severity.ERROR


async def test_a_schema_of_a_later_release_that_serves_this_code_is_a_note(url: str) -> None:
    head, _ = revisions()
    with migrate.opened(url) as engine, engine.begin() as connection:
        history.record(connection, "9999", "add seats", head)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    (finding,) = [each for each in await _found(url) if each.check == "migrations"]
    assert finding.severity is Severity.NOTE


async def test_a_missing_index_is_named(url: str) -> None:
    operate(url, "DROP INDEX ix_users_name" + (" ON users" if _kind(url) == "mysql" else ""))
    (finding,) = await _found(url)
    assert (finding.check, finding.problem) == ("indexes", "the index ix_users_name of users is missing")


async def test_a_column_with_another_collation_is_named(url: str) -> None:
    change = {
        "mysql": "MODIFY name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL",
        "postgresql": 'ALTER COLUMN name TYPE VARCHAR(255) COLLATE "default"',
    }
    if _kind(url) not in change:
        pytest.skip("SQLite compares byte by byte")
    operate(url, f"ALTER TABLE users {change[_kind(url)]}")
    (finding,) = await _found(url)
    assert (finding.check, finding.severity) == (collations.CHECK, Severity.ERROR)
    assert "users.name is " in finding.problem


async def test_a_time_zone_other_than_utc_is_a_warning(url: str) -> None:
    if _kind(url) == "sqlite":
        pytest.skip("SQLite has no time zone")
    name = make_url(url).database
    turned = {
        "mysql": ("SET GLOBAL time_zone = '+09:00'", "SET GLOBAL time_zone = '+00:00'"),
        "postgresql": (f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'", f"ALTER DATABASE {name} RESET timezone"),
    }[_kind(url)]
    operate(url, turned[0])
    try:
        (finding,) = await _found(url)
    finally:
        operate(url, turned[1])
    assert (finding.check, finding.severity) == ("time zones", Severity.WARNING)
    assert "+09:00" in finding.problem or "Asia/Tokyo" in finding.problem


def _shifted(hours: int) -> datetime:
    return utc_now() + timedelta(hours=hours)


async def test_a_clock_that_differs_is_found(url: str) -> None:
    if _kind(url) == "sqlite":
        pytest.skip("SQLite has no clock of its own")
    for hours, way in ((1, "behind"), (-1, "ahead of")):
        ours = partial(_shifted, hours)
        found = await sql.examine(url, ours)
        (finding,) = [each for each in found if each.check == clocks.CHECK]
        assert finding.severity is Severity.ERROR
        assert f" s {way} this machine's" in finding.problem


async def test_an_engine_that_is_end_of_life_is_found(url: str) -> None:
    if _kind(url) == "sqlite":
        pytest.skip("SQLite has no dates")
    found = await sql.examine(url, lambda: datetime(2060, 1, 1, tzinfo=UTC))
    (finding,) = [each for each in found if each.check == end_of_life.CHECK]
    assert "is end of life since" in finding.problem


@pytest.mark.parametrize("scheme", ["mariadb", "postgresql"])
async def test_a_dead_port_is_one_finding_without_the_password(scheme: str) -> None:
    (finding,) = await sql.examine(f"{scheme}://trivet:keep-this@127.0.0.1:{free_port()}/trivet", utc_now)
    assert (finding.check, finding.severity) == (sql.CHECK, Severity.ERROR)
    assert "keep-this" not in finding.problem + finding.remedy
    assert finding.remedy


async def test_a_wrong_password_says_so(engine: Engines) -> None:
    address = make_url(engine.get("mariadb").url).set(password="keep-this").render_as_string(hide_password=False)
    (finding,) = await sql.examine(address, utc_now)
    assert "user or the password" in finding.problem
    assert "keep-this" not in finding.problem + finding.remedy


@pytest.mark.parametrize("scheme", ["mariadb", "postgresql"])
async def test_a_server_that_hangs_is_a_finding_when_the_deadline_has_passed(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"{scheme}://trivet:secret@127.0.0.1:{silent.getsockname()[1]}/trivet"
        began = time.monotonic()
        (finding,) = await examine([Check(sql.CHECK, lambda: sql.examine(address, utc_now))], 0.5)
        assert 0.4 < time.monotonic() - began < 5
    assert "no answer within 0.5 s" in finding.problem
