"""Reads through the near cache and the cache service. A near hit makes no call; a miss in both calls the owner."""

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
from trivet.client.errors import log_text
from trivet.client.near.lease import METADATA_KEY, Metadata, format_lease
from trivet.client.near.lookup_batcher import LookupBatcher
from trivet.client.near.near_cache import NearCache, StreamPosition
from trivet.client.near.single_flight import SingleFlight
from trivet.client.outage import Outage

logger = logging.getLogger(__name__)

T = TypeVar("T")

Ask = Callable[[Metadata], Awaitable[T | None]]
"""Calls the owner with metadata, by which the owner can fill the cache. Returns None if the owner has no value."""

KEY = re.compile(r"[!-~]{1,512}")
"""The keys that the cache accepts."""
BYTES_PER_BYTE = 4
"""About how many bytes a decoded entry takes in this process for each of its bytes in the cache service."""
CLAIM_SECONDS = 0.2
"""How long to wait for another reader that claimed a miss and fills the entry."""


class TimedLookup(NamedTuple):
    """The answer of the cache service, and the time at which it was asked."""

    lookup: Lookup
    asked_at: float

    @property
    def wait(self) -> float:
        """The seconds until another reader's claim ends; 0 without a claim."""
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
        """Whether the circuit breaker is open. Each call that returns True counts a bypassed read."""
        if not self._breaker.is_open:
            return False
        self.bypassed += 1
        return True

    def failed(self, error: grpc.aio.AioRpcError) -> None:
        """Count a lookup that failed."""
        self.bypassed += 1
        self._outage.begin(log_text(error))
        self._breaker.failed(error)

    def answered(self) -> None:
        """Count a lookup that was answered."""
        self._breaker.answered()
        self._outage.end()


class NearReads(Generic[T]):
    """Reads in one namespace. `decode` returns the value of an entry's bytes, None if it cannot decode them."""

    def __init__(self, reads: CachedReads, namespace: str, decode: Callable[[bytes], T | None]) -> None:
        self._reads = reads
        self._near = reads.near
        self._prefix = f"{namespace}/"
        self._decode = decode
        self._batcher = LookupBatcher(reads.cache, namespace)
        self._single_flight: SingleFlight[T | None] = SingleFlight()

    def peek(self, key: str) -> T | None:
        """Return the value of a key in the near cache. None without an entry, or if the owner has no value.

        Can be called on any thread.
        """
        found = self._near.peek(self._prefix + key)
        return None if found is None else found.value  # type: ignore[return-value]  # what `decode` made

    def look_up(self, key: str, then: Callable[[TimedLookup], None]) -> bool:
        """Look a key up without a task, and call `then` with the result, which is empty after a failure.

        `then` must not wait. Returns False without a lookup, if the circuit breaker is open or the key is not valid.
        `then` is not called in that case.
        """
        if self._reads.is_bypassed or not KEY.fullmatch(key):
            return False
        self._near.misses += 1
        self._batcher.begin(key, partial(self._finish_lookup, self._near.monotonic(), then))
        return True

    def hit(self, key: str, looked: TimedLookup) -> T | None:
        """Return the value of a lookup, and put it into the near cache. None for a miss or without a value."""
        found = self._hit(key, looked)
        return found[0] if found else None

    async def get(self, key: str, ask: Ask[T], looked: TimedLookup | None = None) -> T | None:
        """Return the cached value of a key, or the owner's answer. Raises what `ask` raises.

        `looked` is a lookup that the request made before. If several requests miss the same key, one calls the owner
        and the others wait for its answer. A request never gets an answer from before the request.
        """
        find = self._near.get if looked is None else self._near.peek  # a lookup was counted as a miss
        if (found := find(self._prefix + key)) is not None:
            return found.value  # type: ignore[return-value]  # what `decode` made
        if trace.get_current_span().is_recording():  # a shared read has no parent span
            return await self._read(key, ask)
        if key in self._single_flight:
            return await self._single_flight.join(key, partial(self._read, key, ask))
        looked = looked or await self._lookup(key)
        if looked is not None and (hit := self._hit(key, looked)) is not None:
            return hit[0]
        # If another request began to ask the owner meanwhile, the cache's answer can be older than the owner's.
        work = self._read if key in self._single_flight else self._fill
        return await self._single_flight.join(key, partial(work, key, ask, looked))

    async def _read(self, key: str, ask: Ask[T], _looked: TimedLookup | None = None) -> T | None:
        if (found := self._near.get(self._prefix + key)) is not None:  # from the flight before this one
            return found.value  # type: ignore[return-value]  # what `decode` made
        return await self._fill(key, ask, await self._lookup(key))

    async def _fill(self, key: str, ask: Ask[T], looked: TimedLookup | None) -> T | None:
        """Return the cached value, or the owner's answer. If another reader has claimed the entry, wait briefly."""
        give_up = self._near.monotonic() + CLAIM_SECONDS
        while looked is not None and looked.wait > 0 and looked.asked_at < give_up:
            await asyncio.sleep(looked.wait)
            looked = await self._lookup(key)
        if looked is None:
            return await ask(())
        if (hit := self._hit(key, looked)) is not None:
            return hit[0]
        # Without a position there is no lease, and the owner fills nothing: Redis does not answer.
        lookup = looked.lookup
        return await ask(((METADATA_KEY, format_lease(lookup.position)),) if lookup.HasField("position") else ())

    async def _lookup(self, key: str) -> TimedLookup | None:
        """Look a key up in the cache service. Returns None if it does not answer, or if the key is not valid."""
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

    def _finish_lookup(self, asked_at: float, then: Callable[[TimedLookup], None], answer: Lookup | Exception) -> None:
        if isinstance(answer, Lookup):
            self._reads.answered()
        elif isinstance(answer, grpc.aio.AioRpcError):
            self._reads.failed(answer)
        else:
            logger.error("unexpected failure of a lookup", exc_info=answer)
        then(TimedLookup(answer if isinstance(answer, Lookup) else Lookup(), asked_at))

    def _hit(self, key: str, looked: TimedLookup) -> tuple[T | None] | None:
        """Return the value of a hit in a tuple, and put it into the near cache. Returns None for a miss."""
        lookup = looked.lookup
        if not lookup.found:
            return None
        # If several requests share a lookup, one of them decodes it.
        if (entry := self._near.peek(self._prefix + key)) is not None:
            return (entry.value,)  # type: ignore[return-value]  # what `decode` made
        value = None if lookup.absent else self._decode(lookup.value)
        if value is None and not lookup.absent:
            return None
        self._put(key, value, lookup, looked.asked_at)
        return (value,)

    def _put(self, key: str, value: T | None, lookup: Lookup, asked_at: float) -> None:
        self._near.put(
            self._prefix + key,
            value,
            size=BYTES_PER_BYTE * len(lookup.value) + len(key) + sum(map(len, lookup.tags)),
            position=StreamPosition(lookup.position.epoch, lookup.position.offset),
            tags=lookup.tags,
            # Counted from the request: the cache service measured the ttl later.
            expires=asked_at + seconds_of(lookup.ttl),
        )
