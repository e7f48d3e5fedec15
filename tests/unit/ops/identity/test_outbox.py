"""`trivet outbox`: what an operator does about notes that could not be delivered, with no stack running."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.identity.store.schema import migrate
from tests.harness.stack import environment, trivet

pytestmark = pytest.mark.slow

PAYLOAD = "sealed-and-secret"
CAUSE = "FAILED_PRECONDITION EMAIL_NOT_CONFIGURED"


@dataclass(frozen=True)
class Desk:
    """A database with notes in its outbox, and the command on it."""

    file: Path

    def run(self, *arguments: str, status: int = 0) -> str:
        own = environment(self.file.parent, DATABASE_URL=f"sqlite:///{self.file}")
        done = trivet("outbox", *arguments, environment=own)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    def notes(self) -> list[dict[str, Any]]:
        """The notes that were there at first: an operator's verbs add audit events of their own."""
        return [note for note in self.list()["notes"] if note["id"] <= 4]

    def events(self) -> list[tuple[str, str, str, str]]:
        """The audit events that the command has added."""
        with closing(sqlite3.connect(self.file)) as rows:
            found = rows.execute("SELECT payload FROM outbox WHERE topic = 'audit.record' AND id > 4 ORDER BY id")
            names = ("happened", "user_id", "actor", "detail")
            return [tuple(json.loads(payload)[name] for name in names) for (payload,) in found]

    def put(self, topic: str, attempts: int, age: timedelta) -> None:
        made = (datetime.now(UTC) - age).strftime("%Y-%m-%d %H:%M:%S.000000")
        columns = "(created_at, updated_at, topic, key, payload, attempts, next_attempt_at, last_error)"
        values = (made, made, topic, "a-user", PAYLOAD, attempts, made, CAUSE if attempts else None)
        with closing(sqlite3.connect(self.file)) as rows, rows:
            rows.execute(f"INSERT INTO outbox {columns} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def list(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("list", "--json", *arguments))
        return found


@pytest.fixture
def identity(tmp_path: Path) -> Desk:
    identity = Desk(tmp_path / "trivet.db")
    migrate.upgrade(f"sqlite:///{identity.file}")
    identity.put("parked:mail.send", 24, timedelta(days=2, hours=3))
    identity.put("mail.send", 3, timedelta(hours=5, minutes=7))
    identity.put("parked:audit.record", 24, timedelta(minutes=9))
    identity.put("audit.record", 0, timedelta(seconds=1))
    return identity


def test_notes_are_listed_with_age_and_cause_and_without_what_they_hold(identity: Desk) -> None:
    shown = identity.run("list")
    lines = shown.splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["mail.send", "mail.send", "audit.record", "audit.record"]
    assert "2d 3h" in lines[1]
    assert lines[1].endswith(CAUSE)
    assert "parked" in lines[1]
    assert "5h 7m" in lines[2]
    assert "parked" not in lines[2]
    assert lines[4].split()[-2:] == ["now", "-"]
    assert lines[5] == "trivet: parked: 1 of audit.record, 1 of mail.send"
    assert PAYLOAD not in shown
    assert [note["id"] for note in identity.list("--parked")["notes"]] == [1, 3]
    assert [note["id"] for note in identity.list("--topic", "mail.send")["notes"]] == [1, 2]
    [first] = identity.list("--limit", "1")["notes"]
    assert (first["is_parked"], first["attempts"], first["cause"]) == (True, 24, CAUSE)


def test_refused_notes_are_sent_again_by_id_by_topic_or_all(identity: Desk) -> None:
    assert "messages sent again: 1\n" in identity.run("retry", "1")
    assert {note["id"]: note["attempts"] for note in identity.notes()} == {1: 0, 2: 3, 3: 24, 4: 0}
    assert "messages sent again: 1\n" in identity.run("retry", "--all", "--topic", "mail.send")
    assert identity.list()["parked"] == {"audit.record": 1}
    assert "messages sent again: 1\n" in identity.run("retry", "--all")
    assert {note["attempts"] for note in identity.notes()} == {0}
    assert "0 of 1 messages: none of the others was rejected" in identity.run("retry", "1", status=1)


def test_parked_notes_alone_are_dropped_and_only_with_a_yes(identity: Desk) -> None:
    assert "confirm with --yes" in identity.run("drop", "--all", status=2)
    assert len(identity.list()["notes"]) == 4
    assert "1 of 2 messages: none of the others is parked" in identity.run("drop", "1", "2", "--yes", status=1)
    assert [note["id"] for note in identity.notes()] == [2, 3, 4]
    assert identity.run("drop", "--all", "--yes") == "messages dropped: 1\n"
    assert [note["id"] for note in identity.notes()] == [2, 4]
    assert identity.events() == [
        ("outbox.dropped", "a-user", "service:ops", "1 of mail.send: 1"),
        ("outbox.dropped", "a-user", "service:ops", "1 of audit.record: 3"),
    ]


def test_a_command_must_say_which_notes_it_means(identity: Desk) -> None:
    for command in (("retry",), ("drop", "--yes"), ("retry", "1", "--all")):
        assert "give either message ids or --all" in identity.run(*command, status=2)
