"""Backups that are taken while the stores are written to: nothing is stopped, and every transaction is whole."""

import threading
from datetime import UTC, datetime

from sqlalchemy import func, select

from ops.backup.sql.database import engine_of
from services.identity.schema import sessions, users
from tests.conformance.backup.conftest import Backups, documents, documents_of, rows_of, write_documents

TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)
OF_USER = {"name": "Ada", "email_verified": False, "role": "user", "banned": False}
OF_SESSION = {"expires_at": TIME, "remembered": False, "ip_address": "", "user_agent": ""}
WRITTEN_FIRST = 5


class Writer:
    """Writes users with two sessions each, in one transaction, and then a document of each kind about them."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write)
        self.count = 0
        self.error: Exception | None = None

    def __enter__(self) -> "Writer":
        self._thread.start()
        self.wait_for(WRITTEN_FIRST)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._thread.join(60)
        assert self.error is None

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count or self.error, 60)

    def _write(self) -> None:
        try:
            with engine_of(self._backups.source.store) as engine, documents(self._backups.source) as database:
                while not self._stopping.is_set():
                    user_id = f"written-{self.count:06}"
                    times = {"created_at": TIME, "updated_at": TIME}
                    with engine.begin() as connection:
                        row = {"id": user_id, "email": f"{user_id}@example.com", **OF_USER, **times}
                        connection.execute(users.insert(), row)
                        for place in (0, 1):
                            own = {"id": f"{place}{user_id}", "user_id": user_id, "token_hash": f"{place}{user_id}"}
                            connection.execute(sessions.insert(), own | OF_SESSION | times)
                    write_documents(database, user_id)
                    with self._changed:
                        self.count += 1
                        self._changed.notify_all()
        except Exception as error:  # looked at by the test
            self.error = error
            with self._changed:
                self._changed.notify_all()


def test_a_backup_under_write_load_holds_whole_transactions_of_one_moment(backups: Backups) -> None:
    with Writer(backups) as writer:
        before = writer.count
        manifest = backups.create()
        after = writer.count
        writer.wait_for(after + 1)  # it was never stopped
    assert after > before
    target = backups.fresh()
    backups.restore(manifest, target)
    with engine_of(target.store) as engine, engine.connect() as connection:
        written = users.c.id.like("written-%")
        count = connection.scalar(select(func.count()).select_from(users).where(written))
        of_user = (
            select(func.count().label("n")).where(sessions.c.user_id.like("written-%")).group_by(sessions.c.user_id)
        )
        assert set(connection.scalars(of_user)) == {2}
    assert count is not None
    assert before <= count <= after + 1
    known = {row[0] for row in rows_of(target)["users"]}
    about = {each["userId"] for each in documents_of(target)["notifications"]}
    assert about <= known
    # Each user of the database was in it before the scan of MongoDB began; the last one's documents may come later.
    assert len(known - about) <= 1
