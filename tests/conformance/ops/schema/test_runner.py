"""What the runner of migrations notes, whom it waits for, and which code a schema still serves, on every engine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from ops.schema import generate
from ops.schema.reset import reset
from runtime.errors import Unavailable
from services.identity.store.database import Database
from services.identity.store.engine import store_url
from services.identity.store.schema import history, lock, migrate
from services.identity.store.schema.schema_check import SchemaCheck
from tests.conformance.ops.schema.conftest import RELEASE, difference_of, operate

SOON = 0.3


def test_each_migration_is_noted_with_its_time_and_operator(url: str) -> None:
    found = migrate.status(url)
    assert found.applied is not None
    assert list(found.applied) == [step.revision for step in found.steps]
    assert all("@" in each.by for each in found.applied.values())
    migrate.downgrade(url, 2)
    applied = migrate.status(url).applied
    assert applied is not None
    assert sorted(applied) == ["0001", "0002", "0003", "0004"]


def test_a_database_that_an_older_release_migrated_has_no_notes(url: str) -> None:
    operate(url, "DROP TABLE schema_history")
    found = migrate.status(url)
    assert (found.pending, found.applied) == ((), {})
    migrate.upgrade(url)


def test_migrations_run_up_to_a_number_and_no_further(empty_url: str) -> None:
    migrate.upgrade(empty_url, "3")
    assert migrate.status(empty_url).pending == ("0004", "0005", "0006")
    with pytest.raises(ValueError, match="the database is at 0003 already: go back with `trivet db rollback`"):
        migrate.upgrade(empty_url, "0002")
    with pytest.raises(ValueError, match="there is no migration 99: they are 0001 to 0006"):
        migrate.upgrade(empty_url, "99")
    assert migrate.status(empty_url).current == "0003"


@contextmanager
def another_migrator(url: str) -> Iterator[threading.Event]:
    """Another migrator, which holds the lock until the event is set."""
    holds, lets_go = threading.Event(), threading.Event()

    def hold() -> None:
        with migrate.migrating(url):
            holds.set()
            lets_go.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(60)
    try:
        yield lets_go
    finally:
        lets_go.set()
        thread.join()


def test_a_second_migrator_says_whom_it_waits_for_and_then_has_its_turn(url: str) -> None:
    migrate.downgrade(url)
    said: list[str] = []
    with another_migrator(url) as lets_go:

        def wait(holder: str) -> None:
            said.append(holder)
            lets_go.set()

        assert migrate.upgrade(url, on_wait=wait).pending == ("0006",)
    (holder,) = said
    assert holder.startswith("another process that writes to" if url.startswith("sqlite") else "trivet from ")
    assert migrate.status(url).pending == ()


def _lock_for_a_moment(url: str) -> None:
    with migrate.opened(url) as engine:
        if url.startswith("sqlite"):
            lock.lock_whole_transactions(engine, seconds=SOON)
        with engine.begin() as connection, lock.only_one(connection, seconds=SOON):
            pass


def test_a_second_migrator_that_waits_too_long_names_the_holder(url: str) -> None:
    with (
        another_migrator(url),
        pytest.raises(lock.MigrationLockError, match=r"^(another process that writes|trivet from) "),
    ):
        _lock_for_a_moment(url)
    _lock_for_a_moment(url)


def test_a_reset_leaves_an_empty_schema_and_the_tables_of_others(url: str) -> None:
    operate(url, "CREATE TABLE of_another_program (id INTEGER)", "INSERT INTO of_another_program VALUES (7)")
    operate(url, "INSERT INTO stripe_events VALUES ('e', '2026-01-01', '2026-01-01', 1, NULL)")
    assert "users" in reset(url, on_wait=lock.ignore)
    assert migrate.status(url).pending == ()
    assert difference_of(url) == []
    with migrate.opened(url) as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM stripe_events").scalar() == 0
        assert connection.exec_driver_sql("SELECT id FROM of_another_program").scalar() == 7


def test_a_schema_that_no_one_knows_is_refused_by_every_command(url: str) -> None:
    operate(url, "UPDATE alembic_version SET version_num = '9999'")
    for work in (migrate.upgrade, migrate.status, migrate.downgrade):
        with pytest.raises(migrate.NewerSchemaError, match="is 9999, which this version does not know"):
            work(url)
    with pytest.raises(ValueError, match="is 9999, which this version does not know"):
        migrate.last(url, 1)
    reset(url, on_wait=lock.ignore)
    assert migrate.status(url).pending == ()


async def test_a_later_schema_is_served_while_its_history_says_that_it_serves_this_code(
    url: str, tables: MetaData, caplog: pytest.LogCaptureFixture
) -> None:
    """R32: processes of the release before work on the expanded schema, and not on one that dropped what they read."""
    head = migrate.status(url).current
    found = tables.tables["sessions"]
    found._columns.remove(found.columns["user_agent"])
    assert generate.generate("retire agents", RELEASE, url)
    migrate.upgrade(url)
    # A SchemaCheck reads the repository's own migrations: it knows no later ones.
    async with Database.open(store_url.parse(url), check_schema=SchemaCheck()) as database:
        await database.ping()
        assert generate.generate("drop agents", "0.3.0", url)
        migrate.upgrade(url)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                await database.ping()
            assert caught.value.reason == "SCHEMA_TOO_NEW"
        migrate.downgrade(url)
        await database.ping()
    said = [record.getMessage() for record in caplog.records if "schema" in record.getMessage()]
    assert [line.partition(",")[0] for line in said] == [
        "the database's schema is 0007",
        "the database's schema is 0008",
        "the database's schema is 0007",
    ]
    assert f"it was made for {head}" in said[1]


def test_the_oldest_code_of_a_schema_is_noted(url: str) -> None:
    with migrate.opened(url) as engine, engine.connect() as connection:
        assert history.oldest_code(connection, "0006") == "0001"
        assert history.oldest_code(connection, "9999") is None


BROKEN = """
revision, down_revision, branch_labels, depends_on, release = "0007", "0006", None, None, "0.2.0"


def upgrade():
    op.add_column("users", sa.Column("nickname", sa.String(64)))
    op.execute("UPDATE absent SET nickname = NULL")


def downgrade():
    op.drop_column("users", "nickname")
"""


def test_a_migration_that_fails_midway_is_named_with_what_is_left_of_it(
    url: str, tables: MetaData, tmp_path: Path
) -> None:
    file = tmp_path / "migrations/versions/0007_broken.py"
    file.write_text(f"import sqlalchemy as sa\nfrom alembic import op\n{BROKEN}")
    keeps = url.startswith(("mariadb", "mysql"))
    left = "the server keeps what it had done" if keeps else "nothing was changed"
    with pytest.raises(migrate.MigrationFailedError, match=rf"^migration 0007 failed \(.*absent.*\); {left}"):
        migrate.upgrade(url)
    found = migrate.status(url)
    assert (found.current, found.pending) == ("0006", ("0007",))
    assert difference_of(url) == (["remove column users nickname"] if keeps else [])
    if keeps:
        operate(url, "ALTER TABLE users DROP COLUMN nickname")
    file.write_text(file.read_text().replace("UPDATE absent", "UPDATE users"))
    migrate.upgrade(url)
    assert migrate.status(url).pending == ()
