"""`trivet.cache.v1.CacheService`. Each domain implements its RPCs in its own `servicer.py`."""

import random

from services.cache.bounded_streams import BoundedStreams
from services.cache.counters.counters import Counters
from services.cache.counters.servicer import CounterRpcs
from services.cache.entries.entries import Entries
from services.cache.entries.messages import Chance
from services.cache.entries.servicer import EntryRpcs
from services.cache.invalidation.servicer import InvalidationRpcs
from services.cache.invalidation.watchers import Watchers
from services.cache.stats.servicer import StatsRpcs
from services.cache.stats.stats import Stats
from trivet.cache.v1.cache_pb2_grpc import CacheServiceServicer

SILENCE_SECONDS = 30.0
"""A stream without a message for this time is closed, because its connection can be dead unnoticed."""


class CacheServicer(EntryRpcs, CounterRpcs, InvalidationRpcs, StatsRpcs, CacheServiceServicer):
    """All RPCs of the service. `chance` returns a random number from 0 to 1, for the jitter of times to live."""

    def __init__(
        self,
        entries: Entries,
        counters: Counters,
        watchers: Watchers,
        stats: Stats,
        *,
        chance: Chance = random.random,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._streams = BoundedStreams(silence_seconds)
        EntryRpcs.__init__(self, entries, stats, self._streams, chance=chance)
        CounterRpcs.__init__(self, counters)
        InvalidationRpcs.__init__(self, entries, watchers, self._streams)
        StatsRpcs.__init__(self, stats)

    def drain(self) -> None:
        """End all open streams and accept no new ones."""
        self._watchers.close()
        self._streams.close()
