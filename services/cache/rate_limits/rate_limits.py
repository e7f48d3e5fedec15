"""Rate limits in Redis, shared by all processes: fixed windows and GCRA."""

import hashlib
from dataclasses import dataclass

from services.cache.redis.scripts import ACQUIRE, GCRA, Script
from services.cache.redis.store import READ_SECONDS, Store


@dataclass(frozen=True, slots=True)
class Acquired:
    """The decision, the number of requests that are still allowed now, and the wait of a refused request."""

    allowed: bool
    remaining: int
    retry_after_ms: int


class WindowLimits:
    """Windows by rule and subject. A new window starts after a whole period without an allowed request."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def acquire(self, rule: str, subject: str, limit: int, period_ms: int, cost: int) -> Acquired:
        """Count `cost` requests if the limit allows them. Raises Unavailable if Redis fails, within 80 ms.

        After a lost connection the script is sent again and can count twice. It never allows more than the limit.
        """
        return await _acquire(self._store, ACQUIRE, f"window:{rule}", subject, (limit, period_ms, cost))


class GcraLimits:
    """Rates by rule and subject, separate from the windows. Capacity returns steadily, `limit` requests per period."""

    def __init__(self, store: Store, *, script: Script = GCRA) -> None:
        self._store = store
        self._script = script

    async def acquire(self, rule: str, subject: str, limit: int, period_ms: int, cost: int) -> Acquired:
        """Count `cost` requests if the rate allows them: a burst of `limit`, then one every `period_ms / limit`.

        Raises Unavailable, and can count twice, as `WindowLimits.acquire` does.
        """
        return await _acquire(self._store, self._script, f"rate:{rule}", subject, (limit, period_ms, cost))


async def _acquire(store: Store, script: Script, rule: str, subject: str, args: tuple[int, ...]) -> Acquired:
    # The hash has a fixed length, and hides IP addresses in Redis.
    name = f"{store.prefix}{rule}:{hashlib.sha256(subject.encode()).hexdigest()}"
    answer = await store.write(script, (name,), *args, seconds=READ_SECONDS)
    return Acquired(answer[0] == 1, answer[1], answer[2])
