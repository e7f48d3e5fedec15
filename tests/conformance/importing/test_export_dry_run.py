"""`trivet export better-auth --dry-run` reports what the export then does, and changes nothing."""

from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from ops.errors import CommandFailed
from ops.identity.exporting import users as exported_users
from services.identity import schema
from tests.conformance.importing.conftest import Trivet
from tests.conformance.importing.original import Original

EXPORT = ("export", "better-auth", "--to")
PICTURE = "data:image/png;base64," + "A" * 70_000
Report = tuple[dict[str, dict[str, int]], dict[str, int]]


def dry_and_real(trivet: Trivet, target: Original) -> tuple[Report, Report]:
    """Return the reports of a dry run and of the export after it, the first in the words of the second."""
    before = {name: target.rows(name) for name in ("user", "account", "session")}
    counts, reasons = trivet.report(*EXPORT, target.url, "--dry-run")
    assert {name: target.rows(name) for name in before} == before
    outcomes = {outcome for of in counts.values() for outcome in of if outcome != "skipped"}
    assert outcomes
    assert all(outcome.startswith("would be ") for outcome in outcomes)
    done = {of: {name.removeprefix("would be "): n for name, n in each.items()} for of, each in counts.items()}
    return (done, reasons), trivet.report(*EXPORT, target.url)


def test_a_dry_run_reports_new_changed_and_removed_rows_as_the_export_does(
    trivet: Trivet, people: tuple[str, str], original: Original
) -> None:
    ada, mallory = people
    original.user("stranger@x.io")
    for table, row in (("account", mallory), ("user", mallory)):
        column = "userId" if table == "account" else "id"
        original.connection.execute(
            text(f"DELETE FROM {original.table(table)} WHERE {original.column(column)} = :own"), {"own": row}
        )
    original.connection.commit()
    trivet.execute(schema.accounts.delete().where(schema.accounts.c.provider == "github"))
    trivet.execute(schema.users.update().where(schema.users.c.id == ada).values(name="Changed"))
    dry, real = dry_and_real(trivet, original)
    assert dry == real
    assert real[0] == {
        "users": {"exported": 1, "updated there": 1},
        "accounts": {"exported": 1, "updated there": 1, "removed there: unlinked here": 1},
        "sessions": {"ended there": 1},
    }
    assert real[1]["in the target and not here, for example deleted here: not changed"] == 1


def test_a_dry_run_creates_no_table(trivet: Trivet, people: tuple[str, str], empty: Original) -> None:
    dry = trivet.report(*EXPORT, empty.url, "--dry-run")
    assert inspect(empty.connection).get_table_names() == []
    empty.connection.rollback()
    assert dry[0] == {"users": {"would be exported": 2}, "accounts": {"would be exported": 3}}
    counts, reasons = trivet.report(*EXPORT, empty.url)
    assert counts == {"users": {"exported": 2}, "accounts": {"exported": 3}}
    assert dry[1] == reasons


def test_a_dry_run_creates_no_file(trivet: Trivet, people: tuple[str, str], tmp_path: Path) -> None:
    module, lines, database = (tmp_path / name for name in ("password.mjs", "people.jsonl", "back.db"))
    for to in (str(lines), f"sqlite:///{database}"):
        counts, _ = trivet.report(*EXPORT, to, "--dry-run", "--password-module", str(module))
        assert counts == {"users": {"would be exported": 2}, "accounts": {"would be exported": 3}}
    assert not [path for path in (module, lines, database) if path.exists()]
    lines.touch()
    with pytest.raises(CommandFailed, match="exists already: choose a new file"):
        trivet.run(*EXPORT, str(lines), "--dry-run")


def test_a_dry_run_names_the_columns_that_are_too_small(
    trivet: Trivet, people: tuple[str, str], original: Original
) -> None:
    if original.kind == "sqlite":
        pytest.skip("SQLite bounds no text")
    trivet.execute(schema.users.update().where(schema.users.c.id == people[0]).values(image=PICTURE))
    if original.kind == "postgresql":
        original.connection.execute(text('ALTER TABLE "user" ALTER COLUMN image TYPE varchar(65535)'))
        original.connection.commit()
    dry, real = dry_and_real(trivet, original)
    assert dry == real
    assert dry[0]["users"] == {"updated there": 1, "skipped": 1}
    assert [reason for reason in dry[1] if reason.startswith("the column image there takes 65,535 ")]


def test_an_address_that_moves_between_two_pages_is_free_in_a_dry_run_too(
    trivet: Trivet, people: tuple[str, str], original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported_users, "PAGE", 1)
    first, second = sorted(people)
    addresses = {row["id"]: row["email"] for row in trivet.rows("users")}
    trivet.execute(schema.users.update().where(schema.users.c.id == first).values(email="new@x.io"))
    trivet.execute(schema.users.update().where(schema.users.c.id == second).values(email=addresses[first]))
    dry, real = dry_and_real(trivet, original)
    assert dry == real
    assert real[0]["users"] == {"updated there": 2}
