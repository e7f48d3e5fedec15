"""What a connection is told at its beginning, and what a driver says about it."""

import logging
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from services.identity.store.database import Database
from services.identity.store.engine.engine import StoreLimits, _setup_statements, server_of
from services.identity.store.engine.settings import StoreSettings
from services.identity.store.engine.store_url import StoreUrl

URL = "postgresql://u:p@h/d"
SERVERS = {"11.8.3-MariaDB-0+deb13u1": "mariadb", "9.7.4-2": "mysql", "8.0.11-TiDB-v8.5.4": "tidb"}


class Cursor:
    """Answers a server's version."""

    def __init__(self, version: str) -> None:
        self.version = version

    def execute(self, statement: str) -> None:
        assert statement == "SELECT VERSION()"

    def fetchone(self) -> tuple[str]:
        return (self.version,)


@pytest.mark.parametrize(("version", "server"), SERVERS.items())
def test_each_server_is_told_its_own_limits(version: str, server: str) -> None:
    assert server_of(version) == server
    said = " ".join(_setup_statements("mysql", StoreLimits(statement_seconds=2.5, lock_seconds=0.5), Cursor(version)))
    assert ("max_statement_time=2.5" in said) is (server == "mariadb")
    assert ("max_execution_time=2500" in said) is (server != "mariadb")
    assert "innodb_lock_wait_timeout=1," in said
    assert ("tidb_txn_mode='pessimistic'" in said) is (server == "tidb")


async def test_the_limits_of_the_settings_are_those_of_the_session(store: StoreUrl) -> None:
    if store.kind == "sqlite":
        pytest.skip("SQLite has no session")
    settings = StoreSettings(database_url=URL, statement_ms=2_000, lock_ms=3_000, attempt_ms=4_000, wait_ms=1_500)
    assert (settings.limits.attempt_seconds, settings.limits.pool_seconds) == (4.0, 1.5)
    asked = {
        "mysql": "SHOW VARIABLES WHERE Variable_name IN ('max_statement_time', 'max_execution_time', "
        "'innodb_lock_wait_timeout')",
        "postgresql": "SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout')",
    }[store.kind]
    async with Database.open(store, settings.limits) as database:
        rows: list[tuple[Any, ...]] = [tuple(row) for row in await database.rows("tests.limits", text(asked))]
    found = {name: float(value) for name, value in rows if value != ""}  # TiDB has a name of MariaDB's without a value
    limits = {"statement_timeout": 2000, "lock_timeout": 3000, "max_statement_time": 2, "max_execution_time": 2000}
    assert found
    assert found == {name: (limits | {"innodb_lock_wait_timeout": 3})[name] for name in found}


@pytest.mark.parametrize("given", [{"statement_ms": 1_500}, {"lock_ms": 2_000}, {"attempt_ms": 1_000}])
def test_limits_that_cannot_be_kept_are_refused_by_name(given: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="TRIVET_STORE_ATTEMPT_MS must be more than TRIVET_STORE_STATEMENT_MS"):
        StoreSettings.model_validate({"database_url": URL, **given})


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
async def test_a_drivers_warning_is_a_line_for_debugging(
    database: Database, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    if database.kind != "mysql":
        pytest.skip("only MySQL's driver asks for warnings")
    with caplog.at_level(level, logger="asyncmy"):
        assert await database.row("tests.warning", text("SELECT CAST('7 dwarfs' AS SIGNED)")) == (7,)
    said = [(record.levelno, record.name) for record in caplog.records if "dwarfs" in record.getMessage()]
    assert said == ([(logging.DEBUG, "asyncmy")] if level == logging.DEBUG else [])
