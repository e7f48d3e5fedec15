"""`trivet export better-auth`: into an empty database, back into the one that people came from, and into a file."""

import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import inspect, make_url, text

from ops.errors import CommandFailed
from ops.identity.exporting.command import MODULE
from runtime.ids import new_id
from services.identity import schema
from services.identity.store.schema import migrate
from tests.conformance.importing.conftest import Trivet
from tests.conformance.importing.original import SCRYPT, Original, connected, database_beside

IMPORT = ("import", "better-auth", "--from")
EXPORT = ("export", "better-auth", "--to")
ARGON2 = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$4W4e0eeOD2JEyzTZOOkd4Q"


def test_an_empty_database_gets_its_tables_and_everybody(
    trivet: Trivet, people: tuple[str, str], empty: Original, original: Original
) -> None:
    """As the original has them: what is exported and imported again is the same."""
    counts, reasons = trivet.report(*EXPORT, empty.url)
    assert counts == {"users": {"exported": 2}, "accounts": {"exported": 3}}
    assert reasons == {
        "banned: there the admin plugin keeps them out, and nothing else does": 1,
        "the table there has no column plan": 1,
    }
    shared = ("id", "name", "email", "image", "banReason")
    before, after = (
        {row["id"]: [row[name] for name in shared] for row in each.rows("user")} for each in (original, empty)
    )
    assert before == after
    assert {row["role"] for row in empty.rows("user")} == {"user"}
    passwords = {row["userId"]: row["password"] for row in empty.rows("account") if row["providerId"] == "credential"}
    assert passwords == dict.fromkeys(people, SCRYPT)
    assert [row["accessToken"] for row in empty.rows("account")] == [None, None, None], "only when asked for"
    assert empty.rows("session") == []
    again, _ = trivet.report(*EXPORT, empty.url)
    assert again == {"users": {"updated there": 2}, "accounts": {"updated there": 3}}


def test_what_is_exported_can_be_imported_again(trivet: Trivet, people: tuple[str, str], empty: Original) -> None:
    """Ids, times, roles, bans and hashes survive the way there and back."""
    trivet.run(*EXPORT, empty.url, "--with-tokens")
    users, accounts = trivet.rows("users"), trivet.rows("accounts")
    trivet.execute(schema.users.delete())
    trivet.run(*IMPORT, empty.url)
    kept = [{**row, "additional": None} for row in users]
    assert trivet.rows("users") == kept
    sealed = ("access_token", "updated_at", "created_at")
    plain = [{name: value for name, value in row.items() if name not in sealed} for row in accounts]
    assert [
        {name: value for name, value in row.items() if name not in sealed} for row in trivet.rows("accounts")
    ] == plain


def test_on_the_way_back_our_values_win_and_old_sessions_end(
    trivet: Trivet, people: tuple[str, str], original: Original
) -> None:
    """A session that was revoked here, and a provider that was unlinked here, must not come alive there."""
    ada, _ = people
    stranger = original.user("stranger@x.io")
    trivet.execute(schema.accounts.delete().where(schema.accounts.c.provider == "github"))
    trivet.execute(schema.accounts.update().where(schema.accounts.c.user_id == ada).values(password=ARGON2))
    trivet.execute(schema.users.update().where(schema.users.c.id == ada).values(email="new@x.io"))
    counts, reasons = trivet.report(*EXPORT, original.url)
    assert counts == {
        "users": {"updated there": 2},
        "accounts": {"updated there": 2, "removed there: unlinked here": 1},
        "sessions": {"ended there": 1},
    }
    assert reasons["in the target and not here, for example deleted here: not changed"] == 1
    rows = {row["id"]: row for row in original.rows("user")}
    assert (rows[ada]["email"], rows[ada]["plan"], rows[stranger]["email"]) == ("new@x.io", "pro", "stranger@x.io")
    (theirs,) = [row for row in original.rows("account") if row["userId"] == ada]
    assert theirs["password"] == ARGON2
    assert original.rows("session") == []


def spellings(url: str) -> Iterator[str]:
    """Yield other addresses of the same database."""
    yield url
    parsed = make_url(url)
    if parsed.drivername == "sqlite":
        assert parsed.database is not None
        link = Path(parsed.database).with_suffix(".link")
        link.unlink(missing_ok=True)
        link.symlink_to(parsed.database)
        yield f"sqlite:///{link}"
        yield f"sqlite:///{os.path.relpath(parsed.database)}"
        return
    other_name = {"postgresql": "postgres", "mysql": "mariadb", "mariadb": "mysql"}[parsed.drivername]
    yield url.replace(f"{parsed.drivername}://", f"{other_name}://")
    yield url.replace("127.0.0.1", "localhost")
    if parsed.drivername == "postgresql":
        yield f"{url}?search_path=elsewhere"


def test_trivets_own_databases_are_not_written_to(
    trivet: Trivet, people: tuple[str, str], server: str, folder: Path
) -> None:
    """The one that is exported from, however its address is spelt, and any other of ours."""
    for address in spellings(trivet.database):
        with pytest.raises(CommandFailed, match="this database is Trivet's own: name Better Auth's"):
            trivet.run(*EXPORT, address)
    with database_beside(server, folder, f"other_{new_id().lower()}") as other:
        migrate.upgrade(other)
        with pytest.raises(CommandFailed, match="this database is Trivet's own"):
            trivet.run(*EXPORT, other)
        for address in (trivet.database, other):
            with connected(address) as connection:
                assert "user" not in inspect(connection).get_table_names()


def test_a_database_that_is_to_become_ours_is_not_written_to_either(
    trivet: Trivet, empty: Original, tmp_path: Path
) -> None:
    mine = Trivet(empty.url, {**trivet.environment, "DATABASE_URL": empty.url})
    with pytest.raises(CommandFailed, match="schema is older"):
        mine.run(*EXPORT, empty.url)
    assert inspect(empty.connection).get_table_names() == []


def test_tokens_come_when_they_are_asked_for(trivet: Trivet, people: tuple[str, str], empty: Original) -> None:
    trivet.run(*EXPORT, empty.url, "--with-tokens")
    assert "gho_secret" in {row["accessToken"] for row in empty.rows("account")}


def test_nobody_is_let_in_by_a_table_that_knows_no_bans(
    trivet: Trivet, people: tuple[str, str], original: Original
) -> None:
    original.connection.execute(text(f"DELETE FROM {original.table('account')}"))
    original.connection.execute(text(f"DELETE FROM {original.table('user')}"))
    original.connection.execute(text(f"ALTER TABLE {original.table('user')} DROP COLUMN banned"))
    original.connection.commit()
    counts, reasons = trivet.report(*EXPORT, original.url)
    assert counts["users"] == {"exported": 1, "skipped": 1}
    assert reasons["banned, and the table there has no column `banned`: they would be let in"] == 1
    assert [row["id"] for row in original.rows("user")] == [people[0]]


def test_an_address_that_somebody_there_has_is_left_out(
    trivet: Trivet, people: tuple[str, str], original: Original
) -> None:
    trivet.execute(schema.users.delete().where(schema.users.c.id == people[0]))
    trivet.execute(schema.users.update().values(email="ada@x.io"))
    counts, reasons = trivet.report(*EXPORT, original.url)
    assert counts["users"] == {"skipped": 1}
    assert reasons["another user there has the same email address"] == 1


def test_a_file_holds_json_lines_and_is_nobody_elses(trivet: Trivet, people: tuple[str, str], tmp_path: Path) -> None:
    file, module = tmp_path / "people.jsonl", tmp_path / "password.mjs"
    trivet.run(*EXPORT, str(file), "--password-module", str(module))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["model"] for record in records] == ["user", "user", "account", "account", "account"]
    ada = next(record["data"] for record in records if record["data"].get("email") == "ada@x.io")
    assert (ada["id"], ada["createdAt"], ada["plan"]) == (people[0], "2026-01-02T03:04:05.678Z", "pro")
    assert "gho_secret" not in file.read_text()
    assert module.read_text() == MODULE.read_text()
    with pytest.raises(CommandFailed, match="exists already: choose a new file"):
        trivet.run(*EXPORT, str(file))
    module.write_text("somebody's own")
    with pytest.raises(CommandFailed, match="exists already with other content"):
        trivet.run(*EXPORT, str(tmp_path / "other.jsonl"), "--password-module", str(module))


PICTURE = "data:image/png;base64," + "A" * 70_000


def test_a_picture_as_long_as_we_keep_it_fits_into_the_tables_that_an_export_makes(
    trivet: Trivet, people: tuple[str, str], empty: Original
) -> None:
    trivet.execute(schema.users.update().values(image=PICTURE))
    counts, _ = trivet.report(*EXPORT, empty.url)
    assert counts["users"] == {"exported": 2}
    assert {row["image"] for row in empty.rows("user")} == {PICTURE}


def test_a_text_that_is_too_long_for_its_column_is_reported_with_the_mend_and_the_others_come(
    trivet: Trivet, people: tuple[str, str], original: Original
) -> None:
    """The migrator's TEXT is 65,535 bytes on MySQL. SQLite bounds no text."""
    if original.kind == "sqlite":
        pytest.skip("SQLite bounds no text")
    ada, mallory = people
    trivet.execute(schema.users.update().where(schema.users.c.id == ada).values(image=PICTURE, name="Changed"))
    trivet.execute(schema.users.update().where(schema.users.c.id == mallory).values(name="Changed"))
    trivet.execute(schema.accounts.update().where(schema.accounts.c.user_id == mallory).values(scope="s" * 200))
    narrow = "MODIFY scope varchar(99)" if original.kind == "mysql" else "ALTER COLUMN scope TYPE varchar(99)"
    original.connection.execute(text(f"ALTER TABLE account {narrow}"))
    if original.kind == "postgresql":
        original.connection.execute(text('ALTER TABLE "user" ALTER COLUMN image TYPE varchar(65535)'))
    original.connection.commit()
    counts, reasons = trivet.report(*EXPORT, original.url)
    assert counts["users"] == {"updated there": 1, "skipped": 1}
    assert counts["accounts"] == {"skipped": 3}
    image = {"mysql": "takes 65,535 bytes: make it MEDIUMTEXT"}.get(
        original.kind, "takes 65,535 characters: make it longer, for example TEXT"
    )
    assert reasons[f"the column image there {image}"] == 1
    assert reasons["the column scope there takes 99 characters: make it longer, for example TEXT"] == 1
    assert reasons["its user is left out"] == 2
    names = {row["id"]: row["name"] for row in original.rows("user")}
    assert (names[ada], names[mallory]) == ("Zoë 🦊", "Changed")


def test_nothing_is_cut_where_a_server_would_cut_it(
    trivet: Trivet, people: tuple[str, str], original: Original
) -> None:
    """MySQL without strict mode cuts what does not fit, and warns; a ban until 2099 would end in the year 0."""
    if original.kind != "mysql":
        pytest.skip("the other engines refuse what does not fit")
    ada, _ = people
    later = datetime(2099, 1, 1, tzinfo=UTC)
    trivet.execute(schema.users.update().where(schema.users.c.id == ada).values(ban_expires=later))
    original.connection.execute(text("SET GLOBAL sql_mode = ''"))
    try:
        _, reasons = trivet.report(*EXPORT, original.url)
    finally:
        original.connection.execute(text("SET GLOBAL sql_mode = DEFAULT"))
    assert reasons[original.refusal_of("banExpires")] == 1


def test_lists_of_additional_fields_are_written_as_the_original_writes_them(
    trivet: Trivet, people: tuple[str, str], original: Original
) -> None:
    ada, _ = people
    kept = json.dumps({"plan": ["pro", "é"]})
    trivet.execute(schema.users.update().where(schema.users.c.id == ada).values(additional=kept))
    counts, _ = trivet.report(*EXPORT, original.url)
    assert counts["users"] == {"updated there": 2}
    written = {row["id"]: row["plan"] for row in original.rows("user")}[ada]
    assert json.loads(written) == ["pro", "é"]
