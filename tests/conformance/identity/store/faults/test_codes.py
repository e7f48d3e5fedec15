"""Each server's codes: what they mean, also where only the COMMIT reports them, and what the pool does then."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from runtime.errors import Unavailable
from services.identity import schema
from services.identity.store.database import Database, Transaction
from services.identity.store.engine import store_url
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.faults.codes import CODES, Fault
from services.identity.store.faults.errors import DuplicateError, OrphanError, fault_of
from services.identity.store.schema import migrate
from tests.conformance.identity.conftest import SHORT
from tests.conformance.identity.statements import before_driver
from tests.conformance.identity.store.test_database import _connects, _insert_user

# From each server's own list of errors, apart from the table in the code.
SENT_BY_OTHERS = {
    9007: Fault.RACE,  # TiDB
    8002: Fault.RACE,
    8022: Fault.RACE,
    8028: Fault.RACE,
    1047: Fault.RACE,  # Galera
    1180: Fault.RACE,
    3101: Fault.RACE,  # Group Replication
    9001: Fault.BUSY,  # TiDB
    9002: Fault.BUSY,
    9003: Fault.BUSY,
    9004: Fault.BUSY,
    9005: Fault.BUSY,
    8175: Fault.BUSY,
    1290: Fault.READ_ONLY,
    1792: Fault.READ_ONLY,
    1836: Fault.READ_ONLY,
    3100: Fault.READ_ONLY,
    "25006": Fault.READ_ONLY,
}


class DriverError(Exception):
    """An error as a driver raises it: MySQL's with a number, PostgreSQL's with a SQLSTATE."""

    def __init__(self, code: int | str, words: str = "in the server's words") -> None:
        super().__init__(*((code, words) if isinstance(code, int) else (words,)))
        self.sqlstate = code if isinstance(code, str) else "HY000"


def raised(code: int | str, statement: str = "COMMIT") -> OperationalError:
    return OperationalError(statement, {}, DriverError(code))


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Database]:
    """An SQLite database of the test's own."""
    url = f"sqlite:///{tmp_path}/trivet.db"
    migrate.upgrade(url)
    async with Database.open(store_url.parse(url), SHORT) as database:
        yield database


@contextmanager
def failing_commits(database: Database, code: int | str, times: int) -> Iterator[Counter[str]]:
    """Refuse so many COMMITs with an error of a server's, and count all of them."""
    seen: Counter[str] = Counter()

    async def before(_connection: object, statement: str, _parameters: object) -> None:
        seen[statement] += 1
        if statement == "COMMIT" and seen["COMMIT"] <= times:
            raise DriverError(code)

    with before_driver(database, before):
        yield seen


async def _emails(database: Database) -> list[str]:
    return [row[0] for row in await database.rows("tests.emails", select(schema.users.c.email))]


async def _add(database: Database) -> None:
    await database.transaction("tests.add", lambda transaction: _insert_user(transaction, "a@x.io"))


def test_a_code_is_in_the_table_once_with_its_source() -> None:
    assert [code for code, count in Counter(each.code for each in CODES).items() if count > 1] == []
    assert all(
        each.source.startswith(("MySQL ", "MariaDB ", "Galera ", "TiDB ", "PostgreSQL ", "SQLite")) for each in CODES
    )


@pytest.mark.parametrize(("code", "fault"), SENT_BY_OTHERS.items())
def test_what_other_servers_of_the_same_wire_say_is_known(code: int | str, fault: Fault) -> None:
    assert fault_of(raised(code, "UPDATE")) is fault


def test_tidbs_number_for_everything_is_known_by_its_words() -> None:
    """A row that many wait for: TiDB gives the wait up after 256 tries, and nothing is wrong with the statement."""

    def said(words: str) -> Fault:
        return fault_of(OperationalError("UPDATE", {}, DriverError(1105, words)))

    assert said("pessimistic lock retry limit reached") is Fault.RACE
    assert said("something else") is Fault.GONE


@pytest.mark.parametrize("code", [each for each, fault in SENT_BY_OTHERS.items() if fault is not Fault.BUSY])
async def test_a_commit_that_was_undone_is_run_again(small: Database, code: int | str) -> None:
    """Once, and the row is there once: the code says that nothing was committed."""
    with failing_commits(small, code, 1) as seen:
        await _add(small)
    assert (seen["BEGIN IMMEDIATE"], seen["COMMIT"]) == (2, 2)
    assert await _emails(small) == ["a@x.io"]


@pytest.mark.parametrize("code", [each for each, fault in SENT_BY_OTHERS.items() if fault is Fault.BUSY])
async def test_a_commit_of_unknown_outcome_is_not_run_again(small: Database, code: int | str) -> None:
    with failing_commits(small, code, 1) as seen, pytest.raises(Unavailable) as caught:
        await _add(small)
    assert (seen["COMMIT"], caught.value.reason) == (1, "STORE_UNAVAILABLE")


@pytest.mark.parametrize(
    ("code", "error"), [(1062, DuplicateError), ("23505", DuplicateError), (1452, OrphanError), ("23503", OrphanError)]
)
async def test_a_constraint_that_only_the_commit_reports_is_said_as_one(
    small: Database, code: int | str, error: type[Exception]
) -> None:
    with failing_commits(small, code, 1) as seen, pytest.raises(error):
        await _add(small)
    assert seen["COMMIT"] == 1
    assert await _emails(small) == []


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_key_that_postgresql_checks_at_commit_is_said_as_one(database: Database) -> None:
    """A real one: a deferred constraint, on a table of the test's own."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(text("CREATE TEMPORARY TABLE once (id INT UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        await transaction.execute(text("INSERT INTO once VALUES (1), (1)"))

    with pytest.raises(DuplicateError):
        await database.transaction("tests.twice", work)


async def test_a_read_only_connection_is_dropped_and_the_primary_found(
    store: StoreUrl, database: Database, request: pytest.FixtureRequest
) -> None:
    """A fail-over as the pool sees it: its connections lead to a server that takes no more writes, new ones do."""
    if request.node.callspec.params["url"] in ("sqlite", "tidb", "pgbouncer"):
        pytest.skip("SQLite has no primary, TiDB no read-only sessions, and PgBouncer gives them to others")
    to_read_only = {
        "mysql": "SET SESSION TRANSACTION READ ONLY",
        "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    }[store.kind]
    async with Database.open(store, SHORT) as failed_over:
        opened = _connects(failed_over)
        async with failed_over.pool.lend(5) as one, failed_over.pool.lend(5) as other:
            for lent in (one, other):
                await lent.connection.exec_driver_sql(to_read_only)
        assert len(opened) == 2
        await _add(failed_over)
        assert await _emails(failed_over) == ["a@x.io"]
        assert len(opened) == 3


async def test_a_server_that_stays_read_only_is_unavailable_and_named(
    small: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with failing_commits(small, 1290, 9) as seen, pytest.raises(Unavailable):
        await _add(small)
    assert seen["COMMIT"] == 2
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "in the server's words" in line
    assert "code 1290" in line
    assert "change the URL to the primary" in line
