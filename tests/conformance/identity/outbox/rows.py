"""Rows of the outbox, as the tests write and count them."""

from datetime import timedelta

from sqlalchemy import func, insert, select

from runtime.errors import Unavailable
from services.identity import schema
from services.identity.outbox.audit import Audit
from services.identity.outbox.backlog import Backlog, MessageFilter
from services.identity.outbox.outbox import INVALIDATIONS, RETRY_POLICY, Outbox
from services.identity.store.database import Transaction
from tests.conformance.identity.conftest import Identity

AWAY = Unavailable("CACHE_UNAVAILABLE", "away")


async def waiting(identity: Identity) -> int:
    row = await identity.database.row("tests.count", select(func.count()).select_from(schema.outbox))
    assert row is not None
    return int(row[0])


async def is_empty(identity: Identity) -> bool:
    return await waiting(identity) == 0


async def is_one(identity: Identity) -> bool:
    return await waiting(identity) == 1


async def add(outbox: Outbox, identity: Identity, *tags: str, fails: bool = False) -> None:
    async def work(transaction: Transaction) -> None:
        await outbox.add(transaction, *tags)
        if fails:
            raise Unavailable("TESTS", "the change fails after all")

    await identity.database.transaction("tests.add", work)


def audit_of(identity: Identity) -> Audit:
    return Audit(identity.database, identity.outbox)


async def insert_rows(
    identity: Identity, *payloads: str, topic: str = INVALIDATIONS, attempts: int = 0, key: str = ""
) -> None:
    """Insert rows as the release before this one does."""
    now = identity.clock()
    values = {"created_at": now, "updated_at": now, "topic": topic, "key": key, "attempts": attempts}

    async def work(transaction: Transaction) -> None:
        rows = [values | {"payload": payload} for payload in payloads]
        await transaction.execute(insert(schema.outbox).values(rows))

    await identity.database.transaction("tests.insert", work)


async def put(outbox: Outbox, identity: Identity, *payloads: str) -> None:
    async def work(transaction: Transaction) -> None:
        for payload in payloads:
            await outbox.put(transaction, "tests", "", payload)

    await identity.database.transaction("tests.put", work)


async def until_parked(identity: Identity, step: timedelta = RETRY_POLICY.longest) -> None:
    """Relay, a step of time after the other, until every note is parked."""
    for _ in range(1_000):
        await identity.outbox.relay()
        if all(note.is_parked for note in await Backlog(identity.database).list(MessageFilter(), 10)):
            return
        identity.clock.move(seconds=step.total_seconds())
    raise AssertionError("not every note is parked")
