"""Moments between two statements: where another transaction comes in, held there until a test lets it go on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from services.identity.passwords.hashing import Hasher
from services.identity.store.database import Database
from services.identity.store.engine.engine import server_of
from tests.conformance.identity.statements import before_driver
from tests.harness.waiting import until

WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mysql": "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'",  # INNODB_TRX is a copy, and not a fresh one
    "tidb": "SELECT count(*) FROM information_schema.tidb_trx WHERE state = 'LockWaiting'",
}


@dataclass
class Held:
    """A transaction before its COMMIT."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


@contextmanager
def held_at_commit(database: Database) -> Iterator[Held]:
    """Hold the first transaction that comes to its COMMIT, until it is let go or the block ends."""
    held = Held()

    async def before(_connection: object, statement: str, _parameters: object) -> None:
        if statement == "COMMIT" and not held.reached.is_set():
            held.reached.set()
            await held.go_on.wait()

    with before_driver(database, before):
        try:
            yield held
        finally:
            held.go_on.set()


async def waits_or_ends(database: Database, task: "asyncio.Task[Any]") -> None:
    """Return once a task's statement waits for a lock, or the task is done. SQLite has one writer, and no such wait."""

    server = await server_behind(database)

    async def waits() -> bool:
        row = await database.row("tests.waiting", text(WAITING[server]))
        return task.done() or bool(row and int(row[-1]))

    if server in WAITING:
        await until(waits, seconds=20)


async def overlapping(
    database: Database, first: Awaitable[object], second: Awaitable[object], *, begun: asyncio.Event | None = None
) -> tuple[object, object]:
    """Have the second go as far as it can while the first has done all but its COMMIT; return both outcomes.

    `begun` is set once the second comes to what it writes: SQLite tells of no wait.
    """
    await database.tasks.drain(5)  # what follows earlier commits has COMMITs of its own
    with held_at_commit(database) as held:
        changing = asyncio.ensure_future(first)
        await held.reached.wait()
        entering = asyncio.ensure_future(second)
        if begun is not None:
            await begun.wait()
        await waits_or_ends(database, entering)
        held.go_on.set()
        return await asyncio.gather(changing, entering, return_exceptions=True)


async def server_behind(database: Database) -> str:
    """Return a database's kind, or `tidb`."""
    if database.kind != "mysql":
        return database.kind
    row: Any = await database.row("tests.version", text("SELECT VERSION()"))
    return "tidb" if server_of(row[0]) == "tidb" else "mysql"


class Meanwhile(Hasher):
    """Checks passwords, and lets something happen between the check and what follows it."""

    def __init__(self, hasher: Hasher, happens: Callable[[], Awaitable[object]]) -> None:
        self._inner = hasher
        self._happens: Callable[[], Awaitable[object]] | None = happens

    async def verify(self, stored: str | None, password: str) -> bool:
        right = await self._inner.verify(stored, password)
        if self._happens is not None:
            happens, self._happens = self._happens, None
            await happens()
        return right

    async def hash(self, password: str) -> str:
        return await self._inner.hash(password)

    def is_outdated(self, stored: str) -> bool:
        return self._inner.is_outdated(stored)

    @property
    def is_busy(self) -> bool:
        return self._inner.is_busy
