"""What the drivers' errors mean."""

import sqlite3
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from services.identity.store.faults import failure_log
from services.identity.store.faults.codes import Fault
from services.identity.store.faults.errors import fault_of, words_of
from services.identity.store.faults.failure_log import FailureLog


class PostgresError(Exception):
    """As asyncpg raises them: the SQLSTATE is an attribute."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("in words")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "fault"),
    [
        ("40P01", Fault.RACE),
        ("40001", Fault.RACE),
        ("57014", Fault.BUSY),
        ("53300", Fault.BUSY),
        ("57P01", Fault.GONE),  # shut down by its administrator
        ("57P03", Fault.GONE),  # starting up
        ("25006", Fault.READ_ONLY),  # a replica: it takes no writes
        ("28P01", Fault.GONE),
        ("42P01", Fault.SCHEMA),
        ("42703", Fault.SCHEMA),
        ("22001", Fault.SCHEMA),  # longer than a column of an older schema
        ("23502", Fault.SCHEMA),  # a column of a newer schema that wants a value
        ("42601", Fault.BUG),
    ],
)
def test_a_sqlstate_says_what_to_do(sqlstate: str, fault: Fault) -> None:
    assert fault_of(DBAPIError("SELECT", {}, PostgresError(sqlstate))) is fault
    assert fault_of(PostgresError(sqlstate)) is fault


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (1213, Fault.RACE),
        (1205, Fault.RACE),
        (1040, Fault.BUSY),
        (1969, Fault.BUSY),
        (2013, Fault.GONE),
        (1290, Fault.READ_ONLY),  # a replica: it takes no writes
        (1146, Fault.SCHEMA),
        (1054, Fault.SCHEMA),
        (1364, Fault.SCHEMA),  # a column of a newer schema that wants a value
        (1064, Fault.BUG),
    ],
)
def test_a_number_says_what_to_do(number: int, fault: Fault) -> None:
    """R19, R20: among them a primary that has become a replica."""
    assert fault_of(OperationalError("SELECT", {}, Exception(number, "in words"))) is fault


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("SELECT 1 FROM absent", Fault.SCHEMA),
        ("SELECT absent FROM t", Fault.SCHEMA),
        ("INSERT INTO t (absent) VALUES (1)", Fault.SCHEMA),
        ("INSERT INTO t (a) VALUES (1)", Fault.SCHEMA),  # b wants a value
        ("SELECT FROM t", Fault.BUG),
    ],
)
def test_sqlite_says_by_its_words_that_a_statement_does_not_fit_the_schema(statement: str, fault: Fault) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a INT, b INT NOT NULL)")
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(statement)
    connection.close()
    assert fault_of(caught.value) is fault
    assert fault_of(OperationalError(statement, {}, caught.value)) is fault


def test_the_network_being_gone_is_the_store_being_gone() -> None:
    for error in (ConnectionRefusedError(111, "refused"), TimeoutError(), OSError(5, "I/O")):
        assert fault_of(error) is Fault.GONE


def test_a_full_disk_is_the_store_being_gone() -> None:
    """R26."""
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"
    assert fault_of(OperationalError("INSERT", {}, full)) is Fault.GONE


def test_anything_else_is_a_bug() -> None:
    for error in (KeyError("x"), ValueError("x"), AttributeError("x")):
        assert fault_of(error) is Fault.BUG


def test_the_drivers_words_come_with_its_code_and_without_a_rows_values() -> None:
    told = OperationalError("UPDATE", {}, Exception(1205, "Lock wait timeout exceeded;\n try restarting"))
    assert words_of(told) == "Exception: Lock wait timeout exceeded; try restarting: code 1205"
    detailed = PostgresError("23514")
    detailed.detail = "Failing row contains (ann@x.io)."  # type: ignore[attr-defined]  # as asyncpg sets it
    assert words_of(DBAPIError("INSERT", {}, detailed)) == "PostgresError: in words: code 23514"
    assert (
        words_of(ConnectionRefusedError(111, "Connection refused")) == "ConnectionRefusedError: 111 Connection refused"
    )
    assert words_of(TimeoutError()) == "TimeoutError"


def test_an_outage_is_logged_once_for_each_kind_and_again_after_ten_seconds(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(failure_log, "time", SimpleNamespace(monotonic=lambda: now))
    log = FailureLog()
    lost, too_long = (
        OperationalError("", {}, Exception(code, words)) for code, words in ((2013, "lost"), (3024, "long"))
    )
    for at, error in ((0.0, lost), (1.0, lost), (2.0, too_long), (9.9, lost), (10.1, lost)):
        now = at
        log.note(error)
    log.note(OperationalError("", {}, Exception(1213, "deadlock")))  # it is run again, and counted
    said = [record.getMessage() for record in caplog.records]
    assert [words for line in said for words in ("lost", "long", "deadlock") if words in line] == [
        "lost",
        "long",
        "lost",
    ]
