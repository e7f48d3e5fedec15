"""MySQL 8 and 9 by care: no table and no statement needs what only MariaDB has.

Every statement that any test of this folder makes the code execute is checked as well: see `database` in conftest.py.
The suite runs on a MySQL server itself when TRIVET_TEST_MYSQL_URL names one, or a `mysqld` of MySQL's is on PATH.
"""

from collections.abc import Iterator
from io import StringIO

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Index, PrimaryKeyConstraint, UniqueConstraint, Uuid, delete, insert, select, text, update
from sqlalchemy.schema import CreateTable, Sequence

from services.identity import schema
from services.identity.outbox.outbox import INSERT
from services.identity.passwords.credentials import BY_EMAIL, BY_USER
from services.identity.schema import metadata
from services.identity.sessions.session_gate import writing_for
from services.identity.sessions.sessions import VERIFY
from services.identity.store.database import Database
from services.identity.store.schema.migrate import script_directory
from services.identity.users.users import BY_ID
from tests.conformance.identity.mysql import DIALECT, NotForMysqlError, check, check_element

LONGEST_KEY_BYTES = 3_072
users = schema.users


def _steps(*, back: bool = False) -> str:
    """Return all that the migrations would say to MySQL, from the first to the last or back."""
    said = StringIO()
    context = MigrationContext.configure(dialect=DIALECT, opts={"as_sql": True, "output_buffer": said})
    newest_first = list(script_directory().walk_revisions())
    with Operations.context(context):
        for step in newest_first if back else reversed(newest_first):
            (step.module.downgrade if back else step.module.upgrade)()
    return said.getvalue()


def _keys() -> Iterator[tuple[str, list[Column[str]]]]:
    for table in metadata.sorted_tables:
        for part in (*table.constraints, *table.indexes):
            if isinstance(part, PrimaryKeyConstraint | UniqueConstraint | Index):
                yield str(part.name), list(part.columns)


def _bytes(column: Column[str]) -> int:
    """Return how many bytes of a key a column may take: a letter of ours is one, of anybody's up to four."""
    length = getattr(column.type, "length", None)
    if length is None:
        return 8
    return int(length) * (1 if "CHARACTER SET ascii" in column.type.compile(DIALECT) else 4)


def test_the_migrations_say_nothing_that_mysql_does_not_know() -> None:
    for back in (False, True):
        said = _steps(back=back)
        assert ("DROP TABLE" if back else "CREATE TABLE") in said
        for statement in said.split(";\n"):
            check(statement)


def test_the_tables_are_said_in_words_that_mysql_knows() -> None:
    for table in metadata.sorted_tables:
        said = str(CreateTable(table).compile(dialect=DIALECT))
        check(said)
        assert "ENGINE=InnoDB" in said
        assert "COLLATE utf8mb4_bin" in said


@pytest.mark.parametrize(
    ("name", "columns"), [pytest.param(*key, id=key[0]) for key in sorted(_keys(), key=lambda key: key[0])]
)
def test_a_key_is_as_short_as_innodb_wants_it(name: str, columns: list[Column[str]]) -> None:
    """MariaDB would make a hash of a longer one without a word; MySQL refuses the table. PostgreSQL's limit is less."""
    longest = sum(_bytes(column) for column in columns)
    assert longest <= LONGEST_KEY_BYTES, name
    assert longest <= 2_704, name


@pytest.mark.parametrize(
    "statement",
    [
        insert(users).returning(users.c.id),
        delete(users).returning(users.c.id),
        text("DELETE FROM users RETURNING id"),
        select(Sequence("growing").next_value()),
        text("SELECT NEXT VALUE FOR growing"),
        text("ALTER TABLE users ADD COLUMN IF NOT EXISTS age INTEGER"),
        text("CREATE TABLE t (id UUID PRIMARY KEY)"),
        update(users).where(users.c.id.in_(select(users.c.id).limit(5))).values(name=""),
    ],
    ids=str,
)
def test_what_only_mariadb_takes_is_seen(statement: object) -> None:
    """The control."""
    with pytest.raises(NotForMysqlError):
        check_element(statement)


def test_a_type_without_a_name_in_mysql_is_written_as_one_that_has() -> None:
    assert "CHAR(32)" in str(Column("id", Uuid()).type.compile(DIALECT))


async def test_a_statement_of_the_code_that_only_mariadb_takes_fails_its_own_test(database: Database) -> None:
    """The control: what `database` watches."""
    with pytest.raises(NotForMysqlError):
        await database.rows("tests.foreign", insert(users).returning(users.c.id))


def test_what_runs_on_the_driver_itself_is_for_mysql() -> None:
    """SQLAlchemy executes none of it, so that `watch` does not hear of it."""
    proofs = [(True, True), (True, False), (False, True), (False, False)]
    openings = [writing_for(has_password=one, needs_verified_email=other) for one, other in proofs]
    readings, writings = (BY_EMAIL, BY_USER, BY_ID, VERIFY), (INSERT, *openings)
    for statement in (*(each.statement for each in readings), *(each.statement for each in writings)):
        check_element(statement)
