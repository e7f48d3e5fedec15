"""A schema that changes under a running service: what it cannot work with is said as that, and passes with the mend."""

import logging

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runtime.errors import Unavailable
from services.identity.passwords.hashing import Hasher
from services.identity.store.database import Database
from services.identity.store.engine import store_url
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.schema import migrate
from services.identity.store.schema.schema_check import SchemaCheck
from tests.conformance.identity.conftest import PATIENT, build, empty

STEPS = len(list(migrate.script_directory().walk_revisions()))
HEAD = migrate.script_directory().get_current_head()


def operate(url: str, *statements: str) -> None:
    with operator_engine(store_url.parse(url)).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def lines(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


@pytest.mark.parametrize("steps", [3, STEPS])  # a column less; no table at all
async def test_a_rollback_under_a_running_service_is_named_and_heals(
    url: str, store: StoreUrl, hasher: Hasher, caplog: pytest.LogCaptureFixture, steps: int
) -> None:
    await empty(store)
    async with Database.open(store, PATIENT, check_schema=SchemaCheck()) as database:
        identity = build(database, hasher)
        _, token = await identity.sign_up()
        found = migrate.downgrade(url, steps).current
        try:
            for call in (identity.sign_up("bo@x.io"), identity.sessions.verify(token), database.ping()):
                with pytest.raises(Unavailable) as caught:
                    await call
                assert caught.value.reason == "SCHEMA_OUTDATED"
        finally:
            migrate.upgrade(url)
        await identity.sign_up("cy@x.io")
        await database.ping()
    said = f"the database's schema is {found or 'empty'} and must be {HEAD}: run `trivet db migrate`"
    assert lines(caplog, "trivet db migrate") == [said]


async def test_a_rollback_that_breaks_no_statement_is_noticed_by_the_ping_each_time_it_happens(
    url: str, store: StoreUrl, caplog: pytest.LogCaptureFixture
) -> None:
    async with Database.open(store, PATIENT, check_schema=SchemaCheck()) as database:
        for _ in range(2):
            await database.ping()
            migrate.downgrade(url)
            try:
                with pytest.raises(Unavailable) as caught:
                    await database.ping()
                assert caught.value.reason == "SCHEMA_OUTDATED"
                with pytest.raises(Unavailable):  # and no other work is begun until the schema is back
                    await database.rows("tests.one", text("SELECT 1"))
            finally:
                migrate.upgrade(url)
    assert len(lines(caplog, "trivet db migrate")) == 2


async def test_what_a_newer_schema_breaks_is_unavailable_and_the_rest_is_served(
    url: str, store: StoreUrl, hasher: Hasher, caplog: pytest.LogCaptureFixture
) -> None:
    await empty(store)
    async with Database.open(store, PATIENT, check_schema=SchemaCheck()) as database:
        identity = build(database, hasher)
        user, token = await identity.sign_up()
        later = "INSERT INTO schema_history VALUES ('9999', 'a later one', '2026-03-01 12:00:00', 'test', '0001')"
        operate(
            url, "ALTER TABLE outbox RENAME TO outbox_later", "UPDATE alembic_version SET version_num = '9999'", later
        )
        try:
            for _ in range(2):
                with pytest.raises(Unavailable) as caught:
                    await identity.sign_up("bo@x.io")
                assert caught.value.reason == "SCHEMA_TOO_NEW"
                assert (await identity.sessions.verify(token)).user.id == user.id
        finally:
            operate(
                url,
                "ALTER TABLE outbox_later RENAME TO outbox",
                f"UPDATE alembic_version SET version_num = '{HEAD}'",
                "DELETE FROM schema_history WHERE revision = '9999'",
            )
        await identity.sign_up("cy@x.io")
    (line,) = lines(caplog, "9999")
    assert line == (
        f"the database's schema is 9999, later than this version's {HEAD}; its history says that this version can work "
        "on it"
    )
    (failed,) = lines(caplog, "does not fit the database's schema")
    assert "outbox" in failed


async def test_a_newer_schema_that_does_not_say_that_it_serves_this_code_is_refused_with_one_line(
    url: str, store: StoreUrl, caplog: pytest.LogCaptureFixture
) -> None:
    operate(url, "UPDATE alembic_version SET version_num = '9999'")
    try:
        async with Database.open(store, PATIENT, check_schema=SchemaCheck()) as database:
            for _ in range(2):
                with pytest.raises(Unavailable) as caught:
                    await database.rows("tests.one", text("SELECT 1"))
                assert caught.value.reason == "SCHEMA_TOO_NEW"
    finally:
        operate(url, f"UPDATE alembic_version SET version_num = '{HEAD}'")
    (line,) = lines(caplog, "9999")
    assert f"it was made for {HEAD}" in line
    assert "`trivet db rollback`" in line


async def test_a_wrong_statement_on_our_own_schema_stays_a_mistake_of_ours(
    url: str, store: StoreUrl, caplog: pytest.LogCaptureFixture
) -> None:
    async with Database.open(store, PATIENT, check_schema=SchemaCheck()) as database:
        for statement in ("SELECT absent FROM users", "SELECT id FROM absent"):
            with pytest.raises(DBAPIError):
                await database.rows("tests.wrong", text(statement))
        await database.ping()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
