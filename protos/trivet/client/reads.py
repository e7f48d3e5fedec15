"""Reads through the near cache and the cache service: a hit here is no call, a miss in both goes to the owner."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import grpc
from opentelemetry import trace

from trivet.cache.v1.cache_pb2 import Lookup
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client.flights import Flights
from trivet.client.lease import METADATA_KEY, Metadata, format_lease
from trivet.client.lookups import Lookups
from trivet.client.nearcache import NearCache, Position

logger = logging.getLogger(__name__)

T = TypeVar("T")

Ask = Callable[[Metadata], Awaitable[T | None]]
"""Asks the owner, with the metadata by which it may fill the cache on the way back; None if there is none."""

KEY = re.compile(r"[!-~]{1,512}")
"""What the cache takes for a key; nothing else is in it."""
REST_SECONDS = 1.0
BYTES_PER_BYTE = 4
"""What a decoded entry takes here for each of its bytes there, about: a message, and what is held ready of it."""
CLAIM_SECONDS = 0.2
"""How long to wait for another reader, who has said that it will fill an entry."""


class CachedReads:
    """Reads that a cache may save, and never spoils: one that is away is a miss, and is left alone for a second."""

    def __init__(self, cache: CacheServiceStub, near: NearCache) -> None:
        self.cache = cache
        self.near = near
        self.bypassed = 0
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether the cache service is left alone now; a read that asks is counted as one that went past it."""
        if self.near.monotonic() >= self._rests_until:
            return False
        self.bypassed += 1
        return True

    def failed(self, error: grpc.aio.AioRpcError) -> None:
        """Leave the cache service alone for a while."""
        self.bypassed += 1
        now = self.near.monotonic()
        if now >= self._rests_until:  # those who waited for the same call say it once
            logger.warning("the cache does not answer: %s", error.code().name)
        self._rests_until = now + REST_SECONDS


class NearReads(Generic[T]):
    """One namespace. `decode` makes of an entry's bytes what is held ready here, or None if they are none of ours."""

    def __init__(self, reads: CachedReads, namespace: str, decode: Callable[[bytes], T | None]) -> None:
        self._reads = reads
        self._near = reads.near
        self._prefix = f"{namespace}/"
        self._decode = decode
        self._lookups = Lookups(reads.cache, namespace)
        self._flights: Flights[T | None] = Flights()

    def held(self, key: str) -> T | None:
        """Return what may be answered without any call, None if that is nothing, or unknown; of any thread."""
        found = self._near.look(self._prefix + key)
        return None if found is None else found.value  # type: ignore[return-value]  # what `decode` made

    async def get(self, key: str, ask: Ask[T]) -> T | None:
        """Return what is cached of a key, or what the owner says. Raises what `ask` raises.

        Of the reads of one key at a time one asks, and the others share the next one's answer, so that none is given
        an answer from before its question.
        """
        if (found := self._near.get(self._prefix + key)) is not None:
            return found.value  # type: ignore[return-value]  # what `decode` made
        if trace.get_current_span().is_recording():  # what is shared would be below nobody's span
            return await self._read(key, ask)
        return await self._flights.join(key, lambda: self._read(key, ask))

    async def _read(self, key: str, ask: Ask[T]) -> T | None:
        if (found := self._near.get(self._prefix + key)) is not None:  # of the flight before this one
            return found.value  # type: ignore[return-value]  # what `decode` made
        lookup, asked_at = await self._look(key) if KEY.fullmatch(key) else (None, 0.0)
        if lookup is None:
            return await ask(())
        if lookup.found:
            value = None if lookup.absent else self._decode(lookup.value)
            if value is not None or lookup.absent:
                self._keep(key, value, lookup, asked_at)
                return value
        # Without a position there is no lease, and nothing is filled: Redis is gone.
        return await ask(((METADATA_KEY, format_lease(lookup.position)),) if lookup.HasField("position") else ())

    async def _look(self, key: str) -> tuple[Lookup | None, float]:
        """Return what the cache knows, and when it was asked; None if it is away.

        Waits for another reader that has claimed to fill the entry, but not for long.
        """
        monotonic = self._near.monotonic
        give_up = monotonic() + CLAIM_SECONDS
        while not self._reads.rests:
            asked_at = monotonic()
            try:
                lookup = await self._lookups.get(key)
            except grpc.aio.AioRpcError as error:
                self._reads.failed(error)
                break
            wait = lookup.retry_after.ToNanoseconds() / 1e9
            if wait <= 0 or asked_at >= give_up:
                return lookup, asked_at
            await asyncio.sleep(wait)
        return None, 0.0

    def _keep(self, key: str, value: T | None, lookup: Lookup, asked_at: float) -> None:
        self._near.keep(
            self._prefix + key,
            value,
            size=BYTES_PER_BYTE * len(lookup.value) + len(key) + sum(map(len, lookup.tags)),
            position=Position(lookup.position.epoch, lookup.position.offset),
            tags=lookup.tags,
            # From when it was asked for: what it had left was counted later.
            expires=asked_at + lookup.ttl.ToNanoseconds() / 1e9,
        )
