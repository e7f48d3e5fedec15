"""Other layouts: snake_case columns and plural tables, and a plain table with password hashes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from ops.errors import CommandFailed
from runtime.ids import new_id, token_hash
from services.identity.store.engine import store_url
from tests.conformance.importing.conftest import Trivet
from tests.conformance.importing.original import SCRYPT, Original, connected, database_beside

ARGON2 = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$4W4e0eeOD2JEyzTZOOkd4Q"


@pytest.fixture
def empty(server: str, folder: Path) -> Iterator[str]:
    with database_beside(server, folder, f"empty_{new_id().lower()}") as url:
        yield url


@pytest.fixture
def plain(empty: str) -> Iterator[tuple[str, Connection]]:
    with connected(empty) as connection:
        yield empty, connection


def test_columns_in_snake_case_and_plural_tables_are_found(empty: str, trivet: Trivet) -> None:
    with connected(empty) as connection:
        original = Original(empty, store_url.parse(empty).kind, connection, snake=True)
        original.create()
        ada = original.user("ada@x.io", emailVerified=True)
        original.account(ada)
        original.session(ada, "token")
    counts, reasons = trivet.report("import", "better-auth", "--from", empty)
    assert counts == {"users": {"imported": 1}, "accounts": {"imported": 1}, "sessions": {"imported": 1}}
    assert reasons == {}
    assert trivet.rows("users")[0]["email_verified"] is True
    assert trivet.rows("sessions")[0]["token_hash"] == token_hash("token")


def test_without_a_session_table_people_come_all_the_same(empty: str, trivet: Trivet) -> None:
    """The original may keep sessions in Redis alone."""
    with connected(empty) as connection:
        original = Original(empty, store_url.parse(empty).kind, connection)
        original.create()
        original.account(original.user("ada@x.io"))
        connection.execute(text(f"DROP TABLE {original.table('session')}"))
        connection.commit()
    counts, _ = trivet.report("import", "better-auth", "--from", empty)
    assert counts == {"users": {"imported": 1}, "accounts": {"imported": 1}}


def test_a_plain_table_is_read_by_the_names_that_are_given(plain: tuple[str, Connection], trivet: Trivet) -> None:
    url, connection = plain
    connection.execute(
        text("CREATE TABLE people (uid integer, mail varchar(255), password_hash varchar(255), joined varchar(30))")
    )
    for uid, mail, stored in ((7, "Ada@x.io", ARGON2), (8, "bob@x.io", SCRYPT), (9, "eve@x.io", "$2y$10$abc")):
        row = {"uid": uid, "mail": mail, "stored": stored, "joined": "2020-02-03 04:05:06"}
        connection.execute(text("INSERT INTO people VALUES (:uid, :mail, :stored, :joined)"), row)
    connection.commit()
    arguments = ("import", "plain", "--from", url, "--table", "people", "--map", "id=uid,email=mail,created_at=joined")
    counts, reasons = trivet.report(*arguments)
    assert counts == {"users": {"imported": 3}, "accounts": {"imported": 2, "skipped": 1}}
    assert reasons == {"a password hash that cannot be checked here (bcrypt): they reset it": 1}
    users = trivet.rows("users")
    assert [(user["id"], user["email"]) for user in users] == [("7", "ada@x.io"), ("8", "bob@x.io"), ("9", "eve@x.io")]
    assert users[0]["created_at"] == datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert {row["user_id"]: row["password"] for row in trivet.rows("accounts")} == {"7": ARGON2, "8": SCRYPT}
    assert trivet.report(*arguments)[0] == {"users": {"already here": 3}}


def test_a_plain_table_without_ids_is_known_again_by_the_address(plain: tuple[str, Connection], trivet: Trivet) -> None:
    url, connection = plain
    connection.execute(text("CREATE TABLE users (email varchar(255), password_hash varchar(255))"))
    connection.execute(text("INSERT INTO users VALUES ('ada@x.io', :stored)"), {"stored": SCRYPT})
    connection.execute(text("INSERT INTO users VALUES (:email, 'x')"), [{"email": None}] * 201)
    connection.commit()
    arguments = ("import", "plain", "--from", url)
    counts, reasons = trivet.report(*arguments)
    assert counts == {"users": {"imported": 1, "skipped": 201}, "accounts": {"imported": 1}}
    assert reasons == {"the column email is empty": 201}
    assert len(trivet.rows("users")[0]["id"]) == 32
    counts, reasons = trivet.report(*arguments)
    assert counts == {"users": {"skipped": 202}}
    assert reasons == {
        "another user here has the same email address": 1,
        "the column email is empty": 201,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--table", "nobody"), "there is no table nobody"),
        (("--map", "email=nothing"), "has no column nothing"),
        (("--map", "mail=email"), "mail is none of id, email"),
        (("--map", "email"), "--map takes NAME=VALUE"),
        ((), "has no column email"),
    ],
)
def test_a_wrong_name_is_told(
    plain: tuple[str, Connection], trivet: Trivet, arguments: tuple[str, ...], said: str
) -> None:
    url, connection = plain
    connection.execute(text("CREATE TABLE users (id integer)"))
    connection.commit()
    with pytest.raises(CommandFailed, match=said):
        trivet.run("import", "plain", "--from", url, *arguments)
