"""Counters in Redis. Their keys are separate from those of entries."""

from runtime.errors import FailedPrecondition
from services.cache.redis.scripts import INCREMENT
from services.cache.redis.store import Store


class Counters:
    """64-bit counters with a time to live, by namespace and key."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._prefix = f"{store.prefix}counter:"

    async def add(self, namespace: str, key: str, delta: int, ttl_ms: int) -> int:
        """Add `delta` atomically and return the sum.

        A new counter starts at zero and lives for `ttl_ms`. An existing one keeps its time to live. Raises
        FailedPrecondition if the key holds no number or the sum exceeds 64 bits. Raises Unavailable if Redis fails. The
        addition can have been made then, so it is not retried.
        """
        name = f"{self._prefix}{namespace}:{key}"
        answer = await self._store.write(INCREMENT, (name,), delta, ttl_ms, again=False)
        if answer == b"overflow":
            raise FailedPrecondition("COUNTER_OVERFLOW", "the sum does not fit into 64 bits")
        if answer == b"type":
            raise FailedPrecondition("NOT_A_COUNTER", "the key does not hold a number")
        return int(answer)
