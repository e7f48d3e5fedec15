"""Migrations are written from the difference between the tables in code and a database, on every engine."""

from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table

from ops.schema import expand_contract, generate
from ops.schema.push import push
from services.identity.store.schema import migrate
from services.identity.store.schema.column_types import Exact, Moment
from tests.conformance.ops.schema.conftest import RELEASE, difference_of, operate

LATER = "0.3.0"


def _add_nicknames(tables: MetaData) -> None:
    tables.tables["users"].append_column(Column("nickname", Exact(64), index=True))


def _remove(tables: MetaData, table: str, column: str) -> None:
    found = tables.tables[table]
    found._columns.remove(found.columns[column])


def _written(name: str, release: str, url: str) -> Path:
    path = generate.generate(name, release, url)
    assert path is not None
    return path


def test_a_column_and_its_index_go_up_and_down(url: str, tables: MetaData) -> None:
    _add_nicknames(tables)
    Table("gadgets", tables, Column("id", Exact(36), primary_key=True), Column("seen_at", Moment))
    path = _written("add nicknames", RELEASE, url)
    assert path.name == "0007_add_nicknames.py"
    assert migrate.status(url).pending == ("0007",)
    migrate.upgrade(url)
    assert difference_of(url) == []
    migrate.downgrade(url)
    assert len(difference_of(url)) == 3
    assert expand_contract.on_sqlite() == []


def test_no_difference_writes_nothing(url: str, tables: MetaData, tmp_path: Path) -> None:
    before = sorted((tmp_path / "migrations/versions").glob("*.py"))
    assert generate.generate("nothing", RELEASE, url) is None
    assert sorted((tmp_path / "migrations/versions").glob("*.py")) == before


def test_a_table_of_another_program_is_no_difference(url: str, tables: MetaData) -> None:
    operate(url, "CREATE TABLE of_another_program (id INTEGER)")
    assert generate.generate("nothing", RELEASE, url) is None
    assert difference_of(url) == push(url) == []


def test_a_database_that_lacks_migrations_is_not_compared(url: str, tables: MetaData) -> None:
    migrate.downgrade(url)
    with pytest.raises(ValueError, match="the database lacks 0006: run `trivet db migrate` first"):
        generate.generate("early", RELEASE, url)


def test_a_column_is_retired_in_one_release_and_dropped_in_a_later_one(url: str, tables: MetaData) -> None:
    _remove(tables, "sessions", "user_agent")
    assert "retires = ('sessions.user_agent',)" in _written("retire agents", RELEASE, url).read_text()
    migrate.upgrade(url)
    operate(url, "SELECT user_agent FROM sessions")
    assert difference_of(url) == []
    assert generate.generate("again", RELEASE, url) is None  # not in the release that retires it
    assert "drops = ('sessions.user_agent',)" in _written("drop agents", LATER, url).read_text()
    migrate.upgrade(url)
    with pytest.raises(Exception, match="user_agent"):
        operate(url, "SELECT user_agent FROM sessions")
    assert expand_contract.on_sqlite() == []
    migrate.downgrade(url)
    operate(url, "SELECT user_agent FROM sessions")


def test_a_table_is_retired_with_its_indexes_before_it_is_dropped(url: str, tables: MetaData) -> None:
    tables.remove(tables.tables["requests"])
    text = _written("retire requests", RELEASE, url).read_text()
    assert "retires = ('requests',)" in text
    assert "drop_" not in text
    migrate.upgrade(url)
    assert "drops = ('requests',)" in _written("drop requests", LATER, url).read_text()
    migrate.upgrade(url)
    assert expand_contract.on_sqlite() == []
    migrate.downgrade(url, 2)


def test_a_push_is_known_to_the_commands_after_it(url: str, tables: MetaData) -> None:
    _add_nicknames(tables)
    assert push(url) == ["add column users nickname", "add index ix_users_nickname"]
    assert difference_of(url) == []
    _written("add nicknames", RELEASE, url)  # though the database has the column
    with pytest.raises(ValueError, match="`trivet db push` again, or `trivet db reset`"):
        migrate.upgrade(url)
    assert push(url) == []
    assert migrate.status(url).pending == ()
    migrate.downgrade(url)
    assert len(difference_of(url)) == 2


def test_what_differs_from_the_migrations_is_mended_by_hand(url: str, tables: MetaData) -> None:
    operate(url, "DROP INDEX ix_users_role" + ("" if "sqlite" in url or "postgres" in url else " ON users"))
    with pytest.raises(ValueError, match=r"differs from the code \(add index ix_users_role\)"):
        generate.generate("nothing", RELEASE, url)


def test_an_empty_migration_is_created_for_work_by_hand(url: str, tables: MetaData) -> None:
    path = generate.create("fill names", RELEASE)
    assert f"release = {RELEASE!r}" in path.read_text()
    migrate.upgrade(url)
    assert migrate.status(url).current == "0007"
