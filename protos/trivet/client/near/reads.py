"""Reads through the near cache and the cache service: a hit here is no call, a miss in both goes to the owner."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from opentelemetry import trace

from trivet.cache.v1.cache_pb2 import Lookup
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client.circuit_breaker import CircuitBreaker
from trivet.client.errors import said_by
from trivet.client.near.lease import METADATA_KEY, Metadata, format_lease
from trivet.client.near.lookup_batcher import LookupBatcher
from trivet.client.near.near_cache import NearCache, Position
from trivet.client.near.single_flight import SingleFlight
from trivet.client.outage import Outage

logger = logging.getLogger(__name__)

T = TypeVar("T")

Ask = Callable[[Metadata], Awaitable[T | None]]
"""Asks the owner, with the metadata by which it may fill the cache on the way back; None if there is none."""

KEY = re.compile(r"[!-~]{1,512}")
"""The keys that the cache accepts."""
BYTES_PER_BYTE = 4
"""What a decoded entry takes here for each of its bytes there, about: a message, and what is held ready of it."""
CLAIM_SECONDS = 0.2
"""How long to wait for another reader, who has said that it will fill an entry."""


class TimedLookup(NamedTuple):
    """What the cache service knew, and when it was asked."""

    lookup: Lookup
    asked_at: float

    @property
    def wait(self) -> float:
        """For how many seconds another reader's claim lasts; 0 if there is none."""
        return seconds_of(self.lookup.retry_after) if self.lookup.HasField("retry_after") else 0.0


def seconds_of(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


class CachedReads:
    """Reads through the cache service. While its circuit breaker is open, all reads are misses."""

    def __init__(self, cache: CacheServiceStub, near: NearCache) -> None:
        self.cache = cache
        self.near = near
        self.bypassed = 0
        self._breaker = CircuitBreaker(lambda: self.near.monotonic())
        self._outage = Outage(logger, "the cache does not answer: %s", "the cache answers again")

    @property
    def is_bypassed(self) -> bool:
        """Whether the cache service must not be asked now; a read that is told so is counted."""
        if not self._breaker.is_open:
            return False
        self.bypassed += 1
        return True

    def failed(self, error: grpc.aio.AioRpcError) -> None:
        """Count a lookup that failed."""
        self.bypassed += 1
        self._outage.begin(said_by(error))
        self._breaker.failed(error)

    def answered(self) -> None:
        """Count a lookup that was answered."""
        self._breaker.answered()
        self._outage.end()


class NearReads(Generic[T]):
    """One namespace. `decode` makes of an entry's bytes what is held ready here, or None if they are none of ours."""

    def __init__(self, reads: CachedReads, namespace: str, decode: Callable[[bytes], T | None]) -> None:
        self._reads = reads
        self._near = reads.near
        self._prefix = f"{namespace}/"
        self._decode = decode
        self._batcher = LookupBatcher(reads.cache, namespace)
        self._single_flight: SingleFlight[T | None] = SingleFlight()

    def held(self, key: str) -> T | None:
        """Return what may be answered without any call, None if that is nothing, or unknown; of any thread."""
        found = self._near.look(self._prefix + key)
        return None if found is None else found.value  # type: ignore[return-value]  # what `decode` made

    def look_up(self, key: str, then: Callable[[TimedLookup], None]) -> bool:
        """Look a key up without a task, and call `then` with what the cache knows, which is empty if it cannot say.

        `then` must not wait. Return False if the cache must not be asked: `then` is not called.
        """
        if self._reads.is_bypassed or not KEY.fullmatch(key):
            return False
        self._batcher.begin(key, partial(self._looked_up, self._near.monotonic(), then))
        return True

    def taken(self, key: str, looked: TimedLookup) -> T | None:
        """Hold what a lookup found, and return it; None if that is nothing."""
        found = self._taken(key, looked)
        return found[0] if found else None

    async def get(self, key: str, ask: Ask[T], looked: TimedLookup | None = None) -> T | None:
        """Return the cached value of a key, or the owner's answer. Raises what `ask` raises.

        `looked` is a lookup that the request has made already.

        If several requests miss the same key, one calls the owner and the others wait for its answer. A request never
        gets an answer from before the request.
        """
        if (found := self._near.get(self._prefix + key)) is not None:
            return found.value  # type: ignore[return-value]  # what `decode` made
        if trace.get_current_span().is_recording():  # a shared read has no parent span
            return await self._read(key, ask)
        if key in self._single_flight:
            return await self._single_flight.join(key, partial(self._read, key, ask))
        looked = looked or await self._look(key)
        if looked is not None and (taken := self._taken(key, looked)) is not None:
            return taken[0]
        # If another request began to ask the owner meanwhile, the cache's answer can be older than the owner's.
        work = self._read if key in self._single_flight else self._fill
        return await self._single_flight.join(key, partial(work, key, ask, looked))

    async def _read(self, key: str, ask: Ask[T], _looked: TimedLookup | None = None) -> T | None:
        if (found := self._near.get(self._prefix + key)) is not None:  # of the flight before this one
            return found.value  # type: ignore[return-value]  # what `decode` made
        return await self._fill(key, ask, await self._look(key))

    async def _fill(self, key: str, ask: Ask[T], looked: TimedLookup | None) -> T | None:
        """Return the cached value, or the owner's answer. If another reader has claimed the entry, wait briefly."""
        give_up = self._near.monotonic() + CLAIM_SECONDS
        while looked is not None and looked.wait > 0 and looked.asked_at < give_up:
            await asyncio.sleep(looked.wait)
            looked = await self._look(key)
        if looked is None:
            return await ask(())
        if (taken := self._taken(key, looked)) is not None:
            return taken[0]
        # Without a position there is no lease, and nothing is filled: Redis is gone.
        lookup = looked.lookup
        return await ask(((METADATA_KEY, format_lease(lookup.position)),) if lookup.HasField("position") else ())

    async def _look(self, key: str) -> TimedLookup | None:
        """Return what the cache service knows; None if it is away, or takes no such key."""
        if self._reads.is_bypassed or not KEY.fullmatch(key):
            return None
        asked_at = self._near.monotonic()
        try:
            looked = TimedLookup(await self._batcher.get(key), asked_at)
        except grpc.aio.AioRpcError as error:
            self._reads.failed(error)
            return None
        self._reads.answered()
        return looked

    def _looked_up(self, asked_at: float, then: Callable[[TimedLookup], None], answer: Lookup | Exception) -> None:
        if isinstance(answer, Lookup):
            self._reads.answered()
        elif isinstance(answer, grpc.aio.AioRpcError):
            self._reads.failed(answer)
        else:
            logger.error("unexpected failure of a lookup", exc_info=answer)
        then(TimedLookup(answer if isinstance(answer, Lookup) else Lookup(), asked_at))

    def _taken(self, key: str, looked: TimedLookup) -> tuple[T | None] | None:
        """Return the one thing that the cache found, and hold it; None if it found nothing, or none of ours."""
        lookup = looked.lookup
        if not lookup.found:
            return None
        # Of those who share a lookup one decodes it.
        if (held := self._near.look(self._prefix + key)) is not None:
            return (held.value,)  # type: ignore[return-value]  # what `decode` made
        value = None if lookup.absent else self._decode(lookup.value)
        if value is None and not lookup.absent:
            return None
        self._keep(key, value, lookup, looked.asked_at)
        return (value,)

    def _keep(self, key: str, value: T | None, lookup: Lookup, asked_at: float) -> None:
        self._near.keep(
            self._prefix + key,
            value,
            size=BYTES_PER_BYTE * len(lookup.value) + len(key) + sum(map(len, lookup.tags)),
            position=Position(lookup.position.epoch, lookup.position.offset),
            tags=lookup.tags,
            # From when it was asked for: what it had left was counted later.
            expires=asked_at + seconds_of(lookup.ttl),
        )
