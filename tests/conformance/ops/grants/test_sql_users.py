"""Each user of identity's database can do what its process needs, and nothing else: by trying."""

from dataclasses import replace

import pytest
from sqlalchemy.engine import make_url

from ops.errors import CommandFailed
from ops.grants.sql import apply
from services.identity.schema import metadata
from services.identity.store.engine import store_url
from services.identity.store.schema.migrate import downgrade, status, upgrade
from services.identity.store.schema.steps import steps
from tests.conformance.ops.grants.conftest import SECRETS, Database, execute, migrated, refusal

DENIED: dict[str, set[str | int | None]] = {
    "postgresql": {"42501"},
    "mariadb": {1142, 1044, 1227, 1045, 1370},
    "mysql": {1142, 1044, 1227, 1045, 1370},
}
"""The codes of a missing right. Any other refusal, such as an unknown table, does not count."""
DDL = (
    "DROP TABLE sessions",
    "ALTER TABLE users ADD COLUMN x int",
    "CREATE TABLE x (id int)",
    "CREATE TEMPORARY TABLE z (id int)",
    "CREATE INDEX i ON users (name)",
    "TRUNCATE TABLE sessions",
    "CREATE VIEW y AS SELECT 1 AS one",
)
OF_SERVER = {
    "postgresql": (
        "CREATE DATABASE other",
        "CREATE ROLE other",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_read_file('postgresql.conf')",
    ),
    "mariadb": (
        "CREATE DATABASE other",
        "CREATE USER other",
        "SELECT authentication_string FROM mysql.user",
        "SELECT 1 INTO OUTFILE 'x'",
        "SET GLOBAL max_connections = 151",
        "FLUSH TABLES",
    ),
}
OF_SERVER["mysql"] = OF_SERVER["mariadb"]
WRITES = (
    "INSERT INTO requests (id) VALUES ('x')",
    "UPDATE users SET name = 'x'",
    "DELETE FROM users",
)
HISTORY = (
    "UPDATE alembic_version SET version_num = '0000'",
    "DELETE FROM alembic_version",
    "INSERT INTO schema_history (revision) VALUES ('x')",
    "DELETE FROM schema_history",
)
Shared = tuple[Database, dict[str, str]]
FORBIDDEN = {
    "identity": (*DDL, *HISTORY),
    "migrator": (),
    "backup": (*DDL, *WRITES, *HISTORY),
}


@pytest.mark.parametrize("role", FORBIDDEN)
def test_a_user_is_denied_what_its_process_does_not_do(shared: Shared, role: str) -> None:
    database, users = shared
    statements = (*FORBIDDEN[role], *OF_SERVER[database.engine])
    found = {statement: refusal(users[role], statement) for statement in statements}
    assert {statement: code for statement, code in found.items() if code not in DENIED[database.engine]} == {}


@pytest.mark.parametrize("role", FORBIDDEN)
def test_a_user_cannot_read_the_database_beside_its_own(shared: Shared, role: str) -> None:
    database, users = shared
    name = make_url(database.beside).database
    there = make_url(users[role]).set(database=name).render_as_string(hide_password=False)
    assert refusal(there, f"SELECT * FROM {SECRETS}") in DENIED[database.engine]
    assert refusal(database.beside, f"SELECT * FROM {SECRETS}") is None


def test_an_administrator_can_do_all_that_the_users_are_denied(database: Database) -> None:
    """The statements are good ones: nothing but the missing right refuses them."""
    upgrade(database.admin)
    for statement in (*HISTORY[:2], *WRITES[1:], *DDL[1:], DDL[0]):
        assert refusal(database.admin, statement) is None, statement


def test_the_migrator_rolls_back_and_migrates_again(database: Database) -> None:
    users = migrated(database)
    downgrade(users["migrator"], steps=len(steps()))
    upgrade(users["migrator"])
    database.grants()
    assert status(users["identity"]).pending == ()


def test_the_backup_user_reads_every_table_also_a_new_one(database: Database) -> None:
    users = migrated(database)
    execute(users["migrator"], "CREATE TABLE newer (id int)", "INSERT INTO newer VALUES (1)")
    assert refusal(users["backup"], "SELECT * FROM newer") is None
    assert refusal(users["identity"], "SELECT * FROM newer") in DENIED[database.engine]


def test_tables_that_an_administrator_has_made_become_the_migrators(database: Database) -> None:
    upgrade(database.admin)
    users = database.grants()
    assert refusal(users["migrator"], "ALTER TABLE users ADD COLUMN x int") is None
    assert refusal(users["identity"], "SELECT * FROM users FOR UPDATE") is None


def test_notes_say_what_to_do_before_and_after_a_migration(database: Database) -> None:
    assert any("run `trivet db migrate`" in note for note in database.found().notes)
    users = database.grants()
    upgrade(users["migrator"], "1")
    execute(users["migrator"], "DROP TABLE stripe_events")
    assert any("tables are missing (stripe_events)" in note for note in database.found().notes)


def test_it_can_be_repeated_and_keeps_passwords_until_new_ones_are_asked_for(database: Database) -> None:
    users = migrated(database)
    again = database.grants()
    assert make_url(again["identity"]).password == "***"
    execute(users["identity"], "SELECT * FROM users")
    renewed = database.grants(renews=True)
    execute(renewed["identity"], "SELECT * FROM users")
    assert refusal(users["identity"], "SELECT 1") is not None


def test_a_chosen_password_is_neither_shown_nor_in_a_statement(database: Database) -> None:
    upgrade(database.admin)
    chosen = "a-chosen.pass_word:1"
    found = database.found(passwords={"identity": chosen})
    # MySQL replaces passwords in its own logs.
    assert (chosen in str(found.statements)) is (database.engine == "mysql")
    assert chosen not in repr(found) + str(found.addresses)
    users = database.grants(passwords={"identity": chosen})
    assert make_url(users["identity"]).password == "***"
    execute(make_url(users["identity"]).set(password=chosen).render_as_string(hide_password=False), "SELECT 1")


def test_a_user_with_more_rights_than_it_needs_is_named(database: Database) -> None:
    users = migrated(database)
    if database.engine == "postgresql":
        execute(database.admin, f"ALTER ROLE {database.prefix}_identity CREATEDB")
    else:
        execute(database.admin, f"GRANT SELECT ON *.* TO '{database.prefix}_identity'@'%'")
    (line,) = database.found().notes
    assert f"{database.prefix}_identity" in line
    assert "take them away" in line
    assert users


def test_names_are_quoted(database: Database) -> None:
    """A database with every sign that could end a name."""
    odd = """gr"an`t's %s_\\ """ + database.prefix
    sign = '"' if database.engine == "postgresql" else "`"
    quoted = sign + odd.replace(sign, sign * 2) + sign
    execute(database.admin, f"CREATE DATABASE {quoted}")
    try:
        there = replace(
            database, admin=make_url(database.admin).set(database=odd).render_as_string(hide_password=False)
        )
        users = migrated(there)
        execute(users["identity"], "SELECT * FROM users")
        assert refusal(users["identity"], "DROP TABLE sessions") in DENIED[database.engine]
    finally:
        execute(database.admin, f"DROP DATABASE {quoted}")


def test_a_failure_names_no_password(shared: Shared) -> None:
    """A user of a process is no administrator."""
    database, users = shared
    found = database.found(renews=True)
    with pytest.raises(CommandFailed, match="give the address of an administrator") as failed:
        apply(store_url.parse(users["backup"]), found.statements)
    assert str(make_url(found.addresses["identity"].partition("=")[2]).password) not in str(failed.value)


def test_identity_writes_every_table(shared: Shared) -> None:
    _, users = shared
    for table in metadata.sorted_tables:
        execute(users["identity"], f"SELECT * FROM {table.name}", f"DELETE FROM {table.name}")


def test_an_administrator_of_postgresql_need_not_be_a_superuser(database: Database) -> None:
    """As at providers: a role that can make roles, and owns the database."""
    if database.engine != "postgresql":
        pytest.skip("MariaDB and MySQL have no such difference")
    owner, name = f"{database.prefix}_owner", make_url(database.admin).database
    execute(
        database.admin,
        f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD 'owner'",
        f"ALTER DATABASE {name} OWNER TO {owner}",
    )
    plain = make_url(database.admin).set(username=owner, password="owner").render_as_string(hide_password=False)
    try:
        users = migrated(replace(database, admin=plain))
        execute(users["identity"], "SELECT * FROM users")
        assert refusal(users["identity"], "DROP TABLE sessions") in DENIED["postgresql"]
    finally:
        execute(
            database.admin,
            f"ALTER DATABASE {name} OWNER TO CURRENT_USER",
            f"REASSIGN OWNED BY {owner} TO CURRENT_USER",
            f"DROP OWNED BY {owner}",
            f"DROP ROLE {owner}",
        )
