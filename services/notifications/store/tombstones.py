"""Tombstones of erased users. They prevent that late data, from an outbox or a log buffer, is stored."""

from collections.abc import Iterable
from datetime import timedelta

from runtime.clock import Clock, utc_now
from runtime.errors import FailedPrecondition
from services.notifications.store.indexes import EXPIRY, Collection, types
from services.notifications.store.mongo import Store

TOMBSTONES = Collection("erasures", (EXPIRY,), validator=types(erasedAt="date", expiresAt="date"))
COLLECTIONS = (TOMBSTONES,)


class Tombstones:
    """One document per erased user, kept for `ttl`: the user id, which identifies no one any more, and the time.

    A writer checks before and after its write. An erasure writes the tombstone before it searches for data. So either
    the erasure finds the written data, or the writer finds the tombstone.
    """

    def __init__(self, store: Store, *, ttl: timedelta, clock: Clock = utc_now) -> None:
        self._store = store
        self._rows = store.collection(TOMBSTONES)
        self._ttl = ttl
        self._clock = clock

    async def add(self, user_id: str) -> None:
        """Add a tombstone: from now on nothing about the user is stored. Raises Unavailable."""
        now = self._clock()
        once = {"$setOnInsert": {"erasedAt": now}, "$set": {"expiresAt": now + self._ttl}}
        await self._store.run("erasures.add", lambda: self._rows.update_one({"_id": user_id}, once, upsert=True))

    async def check(self, user_id: str) -> None:
        """Raise FailedPrecondition if the user was erased. Raises Unavailable."""
        if await self.among([user_id]):
            raise FailedPrecondition("USER_ERASED", "this user was erased: no data about the user is stored")

    async def among(self, user_ids: Iterable[str]) -> set[str]:
        """Return the ids of the erased users among these. Raises Unavailable."""
        candidates = sorted(set(user_ids) - {""})
        if not candidates:
            return set()
        found = await self._store.run(
            "erasures.find", lambda: self._rows.find({"_id": {"$in": candidates}}, {"_id": 1}).to_list()
        )
        return {str(row["_id"]) for row in found}
