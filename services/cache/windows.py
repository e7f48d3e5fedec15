"""How often something may happen: counts in windows that every process shares."""

import hashlib
from dataclasses import dataclass

from services.cache.scripts import ACQUIRE
from services.cache.store import READ_SECONDS, Store


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether something was counted, how many more the window allows, and how long to wait if it was refused."""

    allowed: bool
    remaining: int
    retry_after_ms: int


class Windows:
    """Counts by rule and subject. A window begins anew after a full period in which nothing was allowed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._prefix = f"{store.prefix}window:"

    async def take(self, rule: str, subject: str, limit: int, period_ms: int, cost: int) -> Taken:
        """Count `cost` if no more than `limit` are then counted. Raises Unavailable, within 80 ms.

        Where a connection is lost it is asked again and may count twice: more is never allowed than the limit.
        """
        # A hash is short whatever a client sends, and Redis holds nobody's address.
        name = f"{self._prefix}{rule}:{hashlib.sha256(subject.encode()).hexdigest()}"
        answer = await self._store.write(ACQUIRE, (name,), limit, period_ms, cost, seconds=READ_SECONDS)
        return Taken(answer[0] == 1, answer[1], answer[2])
