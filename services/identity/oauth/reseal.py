"""Reseals tokens under the current key, so that an old key can be removed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import RowMapping, or_, select, update

from runtime.sealing import BrokenSealError, Sealer
from services.identity.oauth.tokens import SEALED, purpose
from services.identity.outbox.audit import Audit, Event, EventKind
from services.identity.passwords.tables import accounts
from services.identity.store.database import Database, Transaction

BATCH = 200


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many accounts were read, how many were resealed, and how many hold tokens that no key opens."""

    seen: int = 0
    renewed: int = 0
    broken: int = 0

    def __add__(self, other: "Resealed") -> "Resealed":
        return Resealed(self.seen + other.seen, self.renewed + other.renewed, self.broken + other.broken)


RecordBatch = Callable[[Transaction, Resealed], Awaitable[None]]
"""Records the work of a batch, in its transaction."""


async def reseal_all(database: Database, sealer: Sealer, audit: Audit, *, actor: str, batch: int = BATCH) -> Resealed:
    """Reseal every token of an older key under the current key, in batches, each in a transaction.

    A batch that changes tokens records an audit event. The function can run beside the service, and again after an
    interruption. A token that cannot be decrypted stays as it is. Raises Unavailable if the database is unreachable.
    """
    total, last = Resealed(), ""
    while True:
        done, last = await _batch(database, sealer, partial(_record, audit, actor), last, batch)
        total += done
        if not last:
            return total


async def _batch(
    database: Database, sealer: Sealer, record: RecordBatch, after: str, size: int
) -> tuple[Resealed, str]:
    """Reseal the next accounts after an id; return the counts and the last id, empty at the end."""

    async def work(transaction: Transaction) -> tuple[Resealed, str]:
        columns = [accounts.c[name] for name in SEALED]
        rows = await transaction.execute(
            select(accounts.c.id, *columns)
            .where(accounts.c.id > after, or_(*(column.is_not(None) for column in columns)))
            .order_by(accounts.c.id)
            .limit(size)
            .with_for_update()
        )
        done, last = Resealed(), ""
        for row in rows.mappings():
            done, last = done + await _account(transaction, sealer, row), row["id"]
        if done.renewed:
            await record(transaction, done)
        return done, last if done.seen == size else ""

    return await database.transaction("accounts.reseal", work)


async def _record(audit: Audit, actor: str, transaction: Transaction, done: Resealed) -> None:
    event = Event(EventKind.RESEALED, "", actor, detail=f"tokens of {done.renewed} accounts")
    await audit.record(transaction, event)


async def _account(transaction: Transaction, sealer: Sealer, row: RowMapping) -> Resealed:
    fresh, broken = {}, False
    for name in SEALED:
        if row[name] is None or sealer.is_current(row[name]):
            continue
        about = purpose(row["id"], name)
        try:
            fresh[name] = sealer.seal(sealer.open(row[name], about), about)
        except BrokenSealError:
            broken = True
    if fresh:
        await transaction.execute(update(accounts).where(accounts.c.id == row["id"]).values(**fresh))
    return Resealed(1, int(bool(fresh)), int(broken))
