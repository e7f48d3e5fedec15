"""Leases: while a process holds a lease, no other process runs the same work."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import delete, insert

from runtime.clock import Clock, utc_now
from runtime.errors import Unavailable
from runtime.ids import new_id, token_hash
from services.identity.store.database import Database, Transaction
from services.identity.store.faults.errors import DuplicateError
from services.identity.store.tables import verifications

LIFETIME = timedelta(seconds=15)
PAUSE_SECONDS = 0.05


class Leases:
    """Leases as rows with a unique name. The holder deletes the row at the end; otherwise it expires."""

    def __init__(self, database: Database, *, now: Clock = utc_now, pause: float = PAUSE_SECONDS) -> None:
        self._database = database
        self._now = now
        self._pause = pause

    @asynccontextmanager
    async def hold(self, name: str, *, wait: float) -> AsyncIterator[None]:
        """Hold a lease during the block, for at most LIFETIME. Raises Unavailable (STORE_BUSY) after `wait` seconds."""
        holder, until = new_id(), time.monotonic() + wait
        # An attempt is never cancelled: it could have taken the lease already.
        while not await self._take(name, holder):
            if time.monotonic() > until:
                raise Unavailable("STORE_BUSY", "another process is doing this: try again")
            await asyncio.sleep(self._pause)
        try:
            yield
        finally:
            await self._give_back(holder)

    async def _take(self, name: str, holder: str) -> bool:
        now, identifier = self._now(), f"lease:{name}"

        async def work(transaction: Transaction) -> None:
            over = verifications.c.expires_at <= now
            await transaction.execute(delete(verifications).where(verifications.c.identifier == identifier, over))
            await transaction.execute(
                insert(verifications).values(
                    id=holder,
                    created_at=now,
                    updated_at=now,
                    identifier=identifier,
                    value=token_hash(identifier),  # the same value for all holders, so that there is one row
                    expires_at=now + LIFETIME,
                )
            )

        try:
            await self._database.transaction("leases.take", work)
        except DuplicateError:
            return False
        return True

    async def _give_back(self, holder: str) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.execute(delete(verifications).where(verifications.c.id == holder))

        await self._database.transaction("leases.give_back", work)
