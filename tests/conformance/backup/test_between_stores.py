"""What is written between the two parts of a backup: how the restored stores agree again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete

from ops.backup.creation import Creation
from ops.backup.manifest import Manifest
from ops.backup.sql.database import engine_of
from services.identity.schema import outbox, users
from tests.conformance.backup.conftest import Backups, documents, documents_of, rows_of, sign_up, write_documents
from tests.harness.stack import trivet


class Between:
    """A backup that waits between its parts."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups
        self.before_mongodb: Callable[[], object] = list

    def create(self, monkeypatch: pytest.MonkeyPatch) -> Manifest:
        mongodb = Creation.mongodb

        def later(creation: Creation, addresses: Any) -> None:
            self.before_mongodb()
            mongodb(creation, addresses)

        monkeypatch.setattr(Creation, "mongodb", later)
        return self._backups.create()


@pytest.fixture
def between(backups: Backups) -> Between:
    return Between(backups)


def test_documents_of_a_user_who_signed_up_meanwhile_are_left_out(
    backups: Backups, between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = documents_of(backups.source)

    def a_user_signs_up() -> None:
        sign_up(backups.source, "new@example.com")
        with documents(backups.source) as database:
            write_documents(database, "new-user")

    between.before_mongodb = a_user_signs_up
    manifest = between.create(monkeypatch)
    target = backups.fresh()
    restored = backups.restore(manifest, target)
    # A notification, a preference, a delivery and a log entry; the audit must go on to say what was done.
    assert (restored.of_unknown_users, restored.emptied) == (4, 1)
    found = documents_of(target)
    (event,) = [event for event in found["audit"] if event["userId"] == "new-user"]
    assert "personal" not in event
    assert {**found, "audit": [each for each in found["audit"] if each != event]} == before


def test_a_user_who_was_deleted_meanwhile_is_deleted_again(
    backups: Backups, between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Identity deletes the row, and its outbox has notifications erase the documents and write a tombstone."""

    def a_user_is_deleted() -> None:
        with engine_of(backups.source.store) as engine, engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
            connection.execute(delete(users).where(users.c.id == "user-0003"))
        with documents(backups.source) as database:
            for name in ("notifications", "preferences", "deliveries", "logs", "audit"):
                database[name].delete_many({"userId": "user-0003"})
            database["erasures"].insert_one({"_id": "user-0003", "erasedAt": datetime(2026, 3, 1, tzinfo=UTC)})

    between.before_mongodb = a_user_is_deleted
    manifest = between.create(monkeypatch)
    target = backups.fresh()
    restored = backups.restore(manifest, target)
    assert restored.deleted_again == 1
    assert rows_of(target) == rows_of(backups.source)  # sessions and accounts went with the user
    assert documents_of(target) == documents_of(backups.source)


def test_a_restore_of_sql_alone_warns_of_erased_users_whom_it_brings_back(backups: Backups) -> None:
    manifest = backups.create()
    with documents(backups.source) as database:
        erased = {"erasedAt": datetime(2026, 3, 2, tzinfo=UTC), "expiresAt": datetime(2126, 1, 1, tzinfo=UTC)}
        database["erasures"].insert_many([{"_id": each} | erased for each in ("user-0003", "unknown")])
    command = ("backup", "restore", "--only", "sql", "--replace", manifest.backup_id)
    done = trivet(*command, environment=backups.environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith(
        "warning: 1 user(s) were brought back whose erasure MongoDB remembers: delete them again by "
        "DELETE /v1/users/ID: user-0003\n"
    )
    away = replace(backups.source, mongodb="mongodb://127.0.0.1:1/x")
    assert backups.restore(manifest, away, only=("sql",), replace=True).brought_back is None


def test_what_the_outbox_had_not_sent_is_sent_again_after_a_restore(
    backups: Backups, between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver knows it already: the tests of notifications show that sent twice it has one effect."""
    waiting = len(rows_of(backups.source)["outbox"])

    def the_relay_sends_all() -> None:
        with engine_of(backups.source.store) as engine, engine.begin() as connection:
            connection.execute(delete(outbox))
        with documents(backups.source) as database:
            database["audit"].insert_one({"_id": "sent", "time": datetime(2026, 3, 1, tzinfo=UTC), "userId": ""})

    between.before_mongodb = the_relay_sends_all
    manifest = between.create(monkeypatch)
    target = backups.fresh()
    backups.restore(manifest, target)
    assert len(rows_of(target)["outbox"]) == waiting
    assert [each["_id"] for each in documents_of(target)["audit"] if not each["userId"]] == ["sent"]
