"""Rate limits in Redis, shared by all processes: fixed windows and GCRA."""

import hashlib
from dataclasses import dataclass

from services.cache.redis.scripts import ACQUIRE, GCRA, Script
from services.cache.redis.store import READ_SECONDS, Store


@dataclass(frozen=True, slots=True)
class Acquired:
    """Whether something was counted, how many more are allowed now, and how long to wait if it was refused."""

    allowed: bool
    remaining: int
    retry_after_ms: int


class WindowLimits:
    """Counts by rule and subject. A new window begins after a full period in which nothing was allowed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def acquire(self, rule: str, subject: str, limit: int, period_ms: int, cost: int) -> Acquired:
        """Count `cost` if no more than `limit` are then counted. Raises Unavailable, within 80 ms.

        Where a connection is lost it is asked again and may count twice: more is never allowed than the limit.
        """
        return await _acquire(self._store, ACQUIRE, f"window:{rule}", subject, (limit, period_ms, cost))


class GcraLimits:
    """Counts by rule and subject, apart from the windows'. Each period gives back a limit's worth, one at a time."""

    def __init__(self, store: Store, *, script: Script = GCRA) -> None:
        self._store = store
        self._script = script

    async def acquire(self, rule: str, subject: str, limit: int, period_ms: int, cost: int) -> Acquired:
        """Count `cost` if the rate allows it now: a burst of `limit`, then one every `period_ms / limit`.

        Raises Unavailable, and may count twice, as `WindowLimits.acquire` does.
        """
        return await _acquire(self._store, self._script, f"rate:{rule}", subject, (limit, period_ms, cost))


async def _acquire(store: Store, script: Script, rule: str, subject: str, args: tuple[int, ...]) -> Acquired:
    # The hash has a fixed length, and keeps addresses out of Redis.
    name = f"{store.prefix}{rule}:{hashlib.sha256(subject.encode()).hexdigest()}"
    answer = await store.write(script, (name,), *args, seconds=READ_SECONDS)
    return Acquired(answer[0] == 1, answer[1], answer[2])
