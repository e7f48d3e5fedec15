"""Who was erased: what comes late about them, from an outbox or a log's buffer, is not kept."""

from collections.abc import Iterable
from datetime import timedelta

from runtime.clock import Clock, utc_now
from runtime.errors import FailedPrecondition
from services.notifications.store.indexes import EXPIRY, Collection
from services.notifications.store.mongo import Store

TOMBSTONES = Collection("erasures", (EXPIRY,))
COLLECTIONS = (TOMBSTONES,)


class Tombstones:
    """One row per erased user, kept for `ttl`: the id, which is nobody's any more, and when.

    Whoever writes asks afterwards as well as before. An erasure writes its row before it looks for what to remove: so
    either it finds what was written, or the writer finds it.
    """

    def __init__(self, store: Store, *, ttl: timedelta, clock: Clock = utc_now) -> None:
        self._store = store
        self._rows = store.collection(TOMBSTONES)
        self._ttl = ttl
        self._clock = clock

    async def add(self, user_id: str) -> None:
        """Keep nothing of the user from now on. Raises Unavailable."""
        now = self._clock()
        once = {"$setOnInsert": {"erasedAt": now}, "$set": {"expiresAt": now + self._ttl}}
        await self._store.run("erasures.add", lambda: self._rows.update_one({"_id": user_id}, once, upsert=True))

    async def check(self, user_id: str) -> None:
        """Raise FailedPrecondition if the user was erased. Raises Unavailable."""
        if await self.among([user_id]):
            raise FailedPrecondition("USER_ERASED", "the data of this user was erased: nothing more is kept of them")

    async def among(self, user_ids: Iterable[str]) -> set[str]:
        """Return those of the users who were erased. Raises Unavailable."""
        asked = sorted(set(user_ids) - {""})
        if not asked:
            return set()
        found = await self._store.run(
            "erasures.find", lambda: self._rows.find({"_id": {"$in": asked}}, {"_id": 1}).to_list()
        )
        return {str(row["_id"]) for row in found}
