"""Backups of each engine: restored, they are what was backed up."""

from dataclasses import replace

import pytest

from ops.errors import CommandFailed
from services.identity.store.schema.schema_check import revisions
from tests.conformance.backup.conftest import (
    Backups,
    documents_of,
    email_of_session,
    rows_of,
    sign_up,
)


def test_a_restored_backup_is_equal_and_its_sessions_are_valid(backups: Backups) -> None:
    token = sign_up(backups.source, "ada@example.com")
    manifest = backups.create()
    target = backups.fresh()
    restored = backups.restore(manifest, target)
    assert rows_of(target) == rows_of(backups.source)
    assert documents_of(target) == documents_of(backups.source)
    head, older = revisions()
    # And the revision of the schema, and the note of each migration.
    assert restored.rows == sum(map(len, rows_of(target).values())) + 1 + len({head, *older})
    assert restored.documents == 8 * 5
    assert email_of_session(target, token) == "ada@example.com"
    sign_up(target, "grace@example.com")  # its rows get keys of their own


def test_a_target_that_holds_something_is_refused_and_untouched(backups: Backups) -> None:
    manifest = backups.create()
    before = rows_of(backups.source), documents_of(backups.source)
    with pytest.raises(CommandFailed, match=r"^DATABASE_URL: the database is not empty \(10 tables"):
        backups.restore(manifest, backups.source)
    with pytest.raises(CommandFailed, match=r"^MONGODB_URI: the database is not empty"):
        backups.restore(manifest, backups.source, only=("mongodb",))
    assert (rows_of(backups.source), documents_of(backups.source)) == before


def test_what_the_target_holds_is_replaced_if_that_is_asked_for(backups: Backups) -> None:
    manifest = backups.create()
    before = rows_of(backups.source), documents_of(backups.source)
    sign_up(backups.source, "later@example.com")
    backups.restore(manifest, backups.source, replace=True)
    assert (rows_of(backups.source), documents_of(backups.source)) == before


def test_one_store_is_restored_alone(backups: Backups) -> None:
    manifest = backups.create()
    target = backups.fresh()
    backups.restore(manifest, replace(target, mongodb="mongodb://127.0.0.1:1/x"), only=("sql",))
    assert rows_of(target) == rows_of(backups.source)
    assert not any(documents_of(target).values())
    backups.restore(manifest, target, only=("mongodb",))
    assert documents_of(target) == documents_of(backups.source)
