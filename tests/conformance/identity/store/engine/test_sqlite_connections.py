"""SQLite connections that are dropped while their thread is busy."""

import asyncio
import threading
from pathlib import Path

import pytest

from services.identity.store.database import Database
from services.identity.store.engine import store_url

BUSY_SECONDS = 0.3


async def _drop_a_busy_connection(path: Path) -> None:
    async with Database.open(store_url.parse(f"sqlite:///{path}/dropped.db")) as database:
        await database.ping()
        async with database.pool.lend(1) as lent:
            lent.driver._tx.put_nowait((None, lambda: threading.Event().wait(BUSY_SECONDS)))
        database.pool.drop_idle()


def test_the_thread_of_a_dropped_connection_ends_before_its_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that answers a closed loop dies with a traceback on the standard error."""
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    before = set(threading.enumerate())
    asyncio.run(_drop_a_busy_connection(tmp_path))
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert [str(each.exc_value) for each in died] == []
