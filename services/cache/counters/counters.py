"""Counters that are added to in one step, beside the entries and apart from them."""

from runtime.errors import FailedPrecondition
from services.cache.redis.scripts import INCREMENT
from services.cache.redis.store import Store


class Counters:
    """Numbers of 64 bits with a time to live, by namespace and key."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._prefix = f"{store.prefix}counter:"

    async def add(self, namespace: str, key: str, delta: int, ttl_ms: int) -> int:
        """Return the sum; a counter that is not there starts at zero and lives `ttl_ms`, another keeps its time.

        Raises FailedPrecondition if the key holds no number or the sum leaves 64 bits, and Unavailable: then the
        addition may have been made, and is not tried again.
        """
        name = f"{self._prefix}{namespace}:{key}"
        answer = await self._store.write(INCREMENT, (name,), delta, ttl_ms, again=False)
        if answer == b"overflow":
            raise FailedPrecondition("COUNTER_OVERFLOW", "the sum does not fit into 64 bits")
        if answer == b"type":
            raise FailedPrecondition("NOT_A_COUNTER", "the key holds something that cannot be added to")
        return int(answer)
