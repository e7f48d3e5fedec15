"""Moments between two statements: where another transaction comes in, held there until a test lets it go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.util import await_only

from services.identity.database import Database
from services.identity.engine import Limits
from services.identity.hashing import Hasher
from services.identity.store_url import StoreUrl
from tests.harness.waiting import until

# A transaction that a test holds outlives the product's own limits on a busy machine.
PATIENT = Limits(
    pool_seconds=20, turn_seconds=20, statement_seconds=20, attempt_seconds=30, lock_seconds=20, connect_seconds=5
)
WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mysql": "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'",  # INNODB_TRX is a copy, and not a fresh one
}


@asynccontextmanager
async def patient(store: StoreUrl) -> AsyncIterator[Database]:
    """Open a database whose limits do not end what a test holds."""
    async with Database.open(store, PATIENT) as database:
        yield database


@dataclass
class Held:
    """A transaction before its COMMIT."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


@contextmanager
def held_at_commit(database: Database) -> Iterator[Held]:
    """Hold the first transaction that comes to its COMMIT, until it is let go or the block ends."""
    held = Held()

    def before(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement == "COMMIT" and not held.reached.is_set():
            held.reached.set()
            await_only(held.go_on.wait())

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", before)
    try:
        yield held
    finally:
        held.go_on.set()
        event.remove(engine, "before_cursor_execute", before)


async def waits_or_ends(database: Database, task: "asyncio.Task[Any]") -> None:
    """Return once a task's statement waits for a lock, or the task is done. SQLite has one writer, and no such wait."""

    async def waits() -> bool:
        row = await database.row("tests.waiting", text(WAITING[database.kind]))
        return task.done() or bool(row and int(row[-1]))

    if database.kind in WAITING:
        await until(waits, seconds=20)


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
