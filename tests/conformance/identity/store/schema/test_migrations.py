"""The schema's steps on every engine: up, down, up, two at once, and the same as the tables in code."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from ops.schema.difference import difference
from runtime.errors import Unavailable
from services.identity.schema import metadata
from services.identity.store.database import Database
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.schema import migrate
from services.identity.store.schema.schema_check import SchemaCheck, revisions
from services.identity.users.tables import tables_of_users

MIGRATORS = 4
TURNS = 5
HELD_SECONDS = 0.1
"""For how long each holds the lock, so that the others wait for it."""


def _tables(store: StoreUrl) -> set[str]:
    url, arguments = store.for_operator()
    engine = create_engine(url, connect_args=arguments, poolclass=NullPool)
    return set(inspect(engine).get_table_names())


def _revisions() -> tuple[str, ...]:
    """Return the revisions, oldest first."""
    return tuple(step.revision for step in reversed(list(migrate.script_directory().walk_revisions())))


def test_up_down_and_up_again(url: str, store: StoreUrl) -> None:
    """R32: a downgrade works."""
    steps = _revisions()
    assert migrate.downgrade(url, len(steps)).current is None
    assert not _tables(store) & set(metadata.tables)
    assert migrate.status(url).pending == steps
    migrate.upgrade(url)
    assert set(metadata.tables) <= _tables(store)
    status = migrate.status(url)
    assert (status.current, status.pending) == (status.head, ())


def test_the_service_reads_the_migrations_as_alembic_does() -> None:
    script = migrate.script_directory()
    head, older = revisions()
    assert head == script.get_current_head()
    assert older == {step.revision for step in script.walk_revisions()} - {head}


def test_the_schema_is_that_of_the_code(url: str) -> None:
    with migrate.opened(url) as engine, engine.connect() as connection:
        assert difference(connection) == []


def test_a_foreign_key_has_one_index(url: str, store: StoreUrl) -> None:
    """TiDB keeps a second one, and plans with either."""
    address, arguments = store.for_operator()
    looking = inspect(create_engine(address, connect_args=arguments, poolclass=NullPool))
    for table in tables_of_users():
        found = [each["name"] for each in looking.get_indexes(table.name) if each["column_names"] == ["user_id"]]
        assert found == [f"ix_{table.name}_user_id"]


def test_more_steps_back_than_there_are_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="fewer than 99 migrations"):
        migrate.downgrade(url, 99)
    assert migrate.status(url).pending == ()


def test_two_migrators_at_once_do_not_collide(url: str) -> None:
    migrate.downgrade(url)
    errors: list[BaseException] = []

    def migrate_now() -> None:
        try:
            migrate.upgrade(url)
        except BaseException as error:  # a thread's error is the test's to tell
            errors.append(error)

    threads = [threading.Thread(target=migrate_now) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert migrate.status(url).pending == ()


def test_migrators_that_wait_together_all_get_their_turn(url: str) -> None:
    """TiDB's lock is a row: a wait for it fails early when several wait."""
    inside: list[int] = []
    together: list[int] = []

    def take_turns(number: int) -> None:
        for _ in range(TURNS):
            with migrate.migrating(url):  # what every migration is done in
                inside.append(number)
                together.append(len(inside))
                time.sleep(HELD_SECONDS)
                inside.remove(number)

    with ThreadPoolExecutor(MIGRATORS) as threads:
        list(threads.map(take_turns, range(MIGRATORS)))
    assert together == [1] * MIGRATORS * TURNS


async def test_an_old_schema_is_told_once_and_nothing_is_served(
    url: str, store: StoreUrl, caplog: pytest.LogCaptureFixture
) -> None:
    """R37: one clear line; and the schema that arrives later is noticed without a restart (R36)."""
    migrate.downgrade(url)
    async with Database.open(store, check_schema=SchemaCheck()) as database:
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                await database.ping()
            assert caught.value.reason == "SCHEMA_OUTDATED"
        migrate.upgrade(url)
        await database.ping()
    lines = [record.getMessage() for record in caplog.records if "trivet db migrate" in record.getMessage()]
    before, head = _revisions()[-2:]
    assert lines == [f"the database's schema is {before} and must be {head}: run `trivet db migrate`"]
