"""What identity's outbox tells the notifications service: mails, audit events and tombstones, by real processes.

The notifications service is away while things happen, and each is found there once when it is back.
"""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from bson import encode
from pymongo import AsyncMongoClient, MongoClient

from runtime.clock import utc_now
from runtime.ids import new_id
from services.identity.outbox import audit, erasure, mail
from services.notifications.privacy.user_data import BATCH
from tests.api.identity.conftest import Api, identity_on, stubs
from tests.conftest import Engines
from tests.harness.peers.smtp import MailServer, mail_server
from tests.harness.ports import free_port
from tests.harness.processes import Process, client, process
from tests.harness.waiting import until
from trivet.client import acting_for
from trivet.identity.v1.resources_pb2 import SessionOrigin
from trivet.identity.v1.user_service_pb2 import DeleteUserRequest
from trivet.identity.v1.verification_service_pb2 import RequestPasswordResetRequest
from trivet.identity.v1.verification_service_pb2_grpc import VerificationServiceStub

EMAIL = "ann@example.com"
TOKEN = re.compile(r"/reset-password/([a-zA-Z0-9]{16,})")


@dataclass
class Scene:
    """An identity process on SQLite, a notifications process that comes and goes, and a mail server."""

    database: Path
    mongodb: str
    server: MailServer
    port: int = field(default_factory=free_port)

    @contextmanager
    def identity(self, **extra: str) -> Iterator[Process]:
        address = f"127.0.0.1:{self.port}"
        with identity_on(
            self.database, TRIVET_NOTIFICATIONS_ADDRESS=address, TRIVET_RELAY_SECONDS="0.1", **extra
        ) as running:
            yield running

    @contextmanager
    def notifications(self, **extra: str) -> Iterator[Process]:
        given: dict[str, Any] = {"TRIVET_SMTP_URL": self.server.url(), "TRIVET_MAIL_FROM": "noreply@example.com"}
        with process("notifications", port=self.port, MONGODB_URI=self.mongodb, **(given | extra)) as running:
            yield running

    def waiting(self, topic: str) -> list[str]:
        """Return the payloads of a topic that wait in the outbox."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as rows:
            return [row[0] for row in rows.execute("SELECT payload FROM outbox WHERE topic = ? ORDER BY id", (topic,))]

    def refused(self) -> list[tuple[int, str]]:
        """Return how often each note that was refused was, and why the last time."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as rows:
            return rows.execute("SELECT attempts, last_error FROM outbox WHERE attempts > 0").fetchall()

    def put(self, topic: str, *payloads: str) -> None:
        """Put rows into the outbox as identity does."""
        now = "2026-01-01 00:00:00.000"
        with closing(sqlite3.connect(self.database, timeout=10)) as rows, rows:
            [example] = rows.execute("SELECT created_at FROM users LIMIT 1").fetchone() or [now]
            for payload in payloads:
                columns = "(created_at, updated_at, topic, key, payload, attempts)"
                values = (example, example, topic, payload)
                rows.execute(f"INSERT INTO outbox {columns} VALUES (?, ?, ?, '', ?, 0)", values)

    async def confirmed(self, *topics: str) -> None:
        """Wait until nothing of these topics waits any more."""
        await until(lambda: not any(self.waiting(topic) for topic in topics), 20)

    async def documents(self, collection: str) -> list[dict[str, Any]]:
        async with AsyncMongoClient[dict[str, Any]](self.mongodb) as store:
            return await store.get_default_database()[collection].find().to_list()


@pytest.fixture
def scene(engine: Engines, tmp_path: Path) -> Iterator[Scene]:
    with mail_server() as server:
        yield Scene(tmp_path / "trivet.db", f"{engine.get('secantusdb').url}/trivet_told_{new_id()}", server)


async def reset(api: Api) -> None:
    request = RequestPasswordResetRequest(email=EMAIL, redirect_url="http://127.0.0.1:8080/reset")
    await VerificationServiceStub(api.channel).RequestPasswordReset(request)


async def test_a_mail_told_of_while_the_service_was_away_arrives_once(scene: Scene) -> None:
    """R24, A5: and its secret is to be read in neither database on the way."""
    with scene.identity() as identity:
        async with client(identity) as channel:
            api = stubs(channel)
            await api.sign_up(EMAIL)
            await reset(api)
        assert len(scene.waiting(mail.TOPIC)) == 1
        with scene.notifications():
            await until(lambda: bool(scene.server.post.mails), 20)
            await scene.confirmed(mail.TOPIC, audit.TOPIC)
        [sent] = scene.server.post.mails
        assert sent["to"] == EMAIL
        body = sent.get_body(("plain",))
        assert body is not None
        found = TOKEN.search(body.get_content())
        assert found is not None, body.get_content()
        sql = b"".join(path.read_bytes() for path in scene.database.parent.glob(f"{scene.database.name}*"))
        documents = b"".join([encode(row) for row in await scene.documents("notifications")])
        assert b"account." in documents
        assert EMAIL.encode() in sql
        assert found[1].encode() not in sql + documents


async def test_a_mail_is_one_mail_though_identity_was_killed_before_it_noted_the_answer(scene: Scene) -> None:
    """R2, R24: it is told twice, under one request id."""
    with scene.notifications(), ExitStack() as stack:
        doomed = stack.enter_context(scene.identity(TRIVET_FAILPOINTS="identity.after_delivery=crash"))
        async with client(doomed) as channel:
            api = stubs(channel)
            await api.sign_up(EMAIL)  # the relay tells of its event, and dies
            await asyncio.to_thread(doomed.popen.wait, 10)
        assert len(await scene.documents("audit")) == len(scene.waiting(audit.TOPIC)) == 1
        with scene.identity() as identity:
            await scene.confirmed(audit.TOPIC)
            async with client(identity) as channel:
                await reset(stubs(channel))
            await scene.confirmed(mail.TOPIC)
            await until(lambda: bool(scene.server.post.mails), 20)
        assert len(await scene.documents("audit")) == 1
        assert len(scene.server.post.mails) == 1


async def test_audit_events_told_of_while_the_service_was_away_are_all_kept_once(scene: Scene) -> None:
    """R24."""
    with scene.identity() as identity:
        async with client(identity) as channel:
            made = await stubs(channel).sign_up(
                EMAIL, origin=SessionOrigin(ip_address="192.0.2.1", user_agent="Firefox")
            )
        told = [event(made.user.id, f"{number}") for number in range(250)]
        scene.put(audit.TOPIC, *told, told[0])
        with scene.notifications():
            await scene.confirmed(audit.TOPIC)
        kept = await scene.documents("audit")
        assert sorted(row["kind"] for row in kept) == ["signed_in"] * 250 + ["signed_up"]
        [first] = [row for row in kept if row["kind"] == "signed_up"]
        assert first["userId"] == made.user.id
        assert (first["personal"]["ipAddress"], first["personal"]["userAgent"]) == ("192.0.2.1", "Firefox")


def event(user_id: str, detail: str, **values: object) -> str:
    origin = {"ip_address": "192.0.2.7", "user_agent": ""}
    known = {"id": new_id(), "time": utc_now().isoformat(), "happened": "signed_in", "user_id": user_id, "actor": ""}
    return json.dumps(known | {"origin": origin, "detail": detail} | values)


async def test_a_note_that_cannot_be_read_is_put_off_and_holds_up_no_other(scene: Scene) -> None:
    """R24: a poison message, in each topic."""
    with scene.identity(), scene.notifications():
        scene.put(audit.TOPIC, "{}", event("ann", "kept"), event("ann", "", happened="NOT A KIND"))
        scene.put(erasure.TOPIC, "[]")
        scene.put(mail.TOPIC, "1.00000000.nonsense")
        await until(lambda: sorted(attempts >= 2 for attempts, _ in scene.refused()) == [True] * 4, 30)
        assert {cause for _, cause in scene.refused()} == {
            "its payload cannot be read",
            "the mail was sealed under a key that is not in TRIVET_SEAL_KEYS: add the key",
            "INVALID_ARGUMENT INVALID_FIELD",
        }
        assert [row["personal"]["detail"] for row in await scene.documents("audit")] == ["kept"]


async def test_mail_is_sent_once_a_mail_server_is_configured(scene: Scene) -> None:
    """A service in production that is started without TRIVET_SMTP_URL refuses mail, and loses none."""
    with scene.identity() as identity:
        async with client(identity) as channel:
            api = stubs(channel)
            await api.sign_up(EMAIL)
            with scene.notifications(TRIVET_ENV="production", TRIVET_SMTP_URL="", TRIVET_MAIL_FROM=""):
                await reset(api)
                await until(lambda: bool(scene.refused()), 20)
                await scene.confirmed(audit.TOPIC)
        [(attempts, cause)] = scene.refused()
        assert attempts >= 1
        assert cause == "FAILED_PRECONDITION EMAIL_NOT_CONFIGURED"
        assert scene.server.post.mails == []
        with scene.notifications():
            await scene.confirmed(mail.TOPIC)
            await until(lambda: bool(scene.server.post.mails), 20)
        [sent] = scene.server.post.mails
        assert sent["to"] == EMAIL


async def test_who_is_deleted_is_forgotten_and_a_late_mail_brings_nothing_back(scene: Scene) -> None:
    """The erasure overtakes a mail, which is dropped and not parked, and an event, whose personal part is not kept."""
    with scene.identity() as identity, ExitStack() as away:
        async with client(identity) as channel:
            api = stubs(channel)
            made = await api.sign_up(EMAIL, origin=SessionOrigin(ip_address="192.0.2.1"))
            with scene.notifications():
                await reset(api)
                await until(lambda: bool(scene.server.post.mails), 20)
                await scene.confirmed(mail.TOPIC, audit.TOPIC)
            await reset(api)
            late = scene.waiting(mail.TOPIC)
            assert len(late) == 1
            _remove(scene, mail.TOPIC)
            await api.users.DeleteUser(DeleteUserRequest(user_id=made.user.id))
            assert json.loads(scene.waiting(erasure.TOPIC)[0]) == {"user_id": made.user.id}
        away.enter_context(scene.notifications())
        await scene.confirmed(erasure.TOPIC, audit.TOPIC)
        assert await scene.documents("notifications") == []
        assert all("personal" not in row for row in await scene.documents("audit"))
        scene.put(mail.TOPIC, *late)
        scene.put(audit.TOPIC, event(made.user.id, "late"))
        await scene.confirmed(mail.TOPIC, audit.TOPIC)
        assert await scene.documents("notifications") == []
        assert all("personal" not in row for row in await scene.documents("audit"))
        assert len(scene.server.post.mails) == 1


def _remove(scene: Scene, topic: str) -> None:
    with closing(sqlite3.connect(scene.database, timeout=10)) as rows, rows:
        rows.execute("DELETE FROM outbox WHERE topic = ?", (topic,))


async def test_an_erasure_that_takes_longer_than_a_call_goes_on_until_it_is_done(scene: Scene) -> None:
    with scene.identity() as identity, scene.notifications():
        async with client(identity) as channel:
            api = stubs(channel)
            made = await api.sign_up(EMAIL)
            await scene.confirmed(audit.TOPIC)
            await asyncio.to_thread(_fill, scene.mongodb, made.user.id, 10 * BATCH)
            await api.users.DeleteUser(DeleteUserRequest(user_id=made.user.id))
        await until(lambda: not scene.waiting(erasure.TOPIC), 120)
        assert await scene.documents("logs") == []


def _fill(mongodb: str, user_id: str, rows: int) -> None:
    now = utc_now()
    with MongoClient[dict[str, Any]](mongodb) as store:
        line = {"userId": user_id, "timestamp": now, "level": "info", "expiresAt": now.replace(year=now.year + 1)}
        store.get_default_database()["logs"].insert_many([{**line, "_id": new_id()} for _ in range(rows)])


async def test_who_deleted_a_user_is_kept_after_the_user_is_erased(scene: Scene) -> None:
    """By themselves, by an administrator, and by a program that speaks for itself, as an operator's does."""
    with scene.identity() as identity, scene.notifications():
        async with client(identity) as channel:
            api = stubs(channel)
            ann, bob, eve, root = [await api.sign_up() for _ in range(4)]
            with acting_for(ann.user.id, "user", ann.session.id):
                await api.users.DeleteUser(DeleteUserRequest(user_id=ann.user.id))
            with acting_for(root.user.id, "admin"):
                await api.users.DeleteUser(DeleteUserRequest(user_id=bob.user.id))
            await api.users.DeleteUser(DeleteUserRequest(user_id=eve.user.id))
            await scene.confirmed(erasure.TOPIC, audit.TOPIC)
        kept = {row["userId"]: row["actor"] for row in await scene.documents("audit") if row["kind"] == "deleted"}
        assert kept == {ann.user.id: "", bob.user.id: root.user.id, eve.user.id: "service:tests"}
