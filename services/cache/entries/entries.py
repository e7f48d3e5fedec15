"""Entries with leases and tags: reads, fills, deletes and invalidations."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from opentelemetry import trace

from runtime.background.tasks import Tasks, TooManyTasksError
from runtime.errors import Unavailable
from services.cache.invalidation.positions import Invalidated, StreamPosition, parse_reports
from services.cache.redis.read_coalescer import ReadCoalescer
from services.cache.redis.scripts import DELETE, GET, INVALIDATE, SET
from services.cache.redis.store import WRITE_SECONDS, Argument, Store

MAX_RESPONSE_BYTES = 3 * 1024 * 1024 + 128 * 1024
"""The size limit of one read, tags included, so that the response fits into 4 MiB. Entries beyond it are misses."""

TAG_LIFE_MS = 600_000
"""The lifetime of an invalidated tag without entries: longer than the time from any miss to its fill."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The result of a read. On a miss, `value` is None and `position` is the lease for a fill. None if Redis failed.

    `absent` means that the entry records that there is no value. `retry_ms` on a miss means that another reader fills
    the entry. `is_large` means that the entry exists but did not fit beside the others of its script.
    """

    position: StreamPosition | None
    value: bytes | None = None
    ttl_ms: int = 0
    absent: bool = False
    tags: Sequence[str] = ()
    retry_ms: int = 0
    is_large: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry to write. `tags` are unique names. Without a lease, it is written even if a tag was invalidated."""

    key: str
    value: bytes
    ttl_ms: int
    tags: Sequence[str] = ()
    lease: StreamPosition | None = None
    absent: bool = False


CLAIM_MS = 1_000
"""How long a reader holds the claim on a missed entry: longer than an owner takes to answer."""

RETRY_MS = 20
"""The maximum wait of the other readers before they read again. Most fills end long before the claim does."""

UNKNOWN = Lookup(None)


class Entries:
    """The entries, by namespace and key."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entry_prefix = f"{store.prefix}entry:"
        self._tag_prefix = store.tag_prefix
        self._shared = {claim: ReadCoalescer[Lookup](partial(self._get, claim=claim)) for claim in (False, True)}
        self._invalidating = Tasks("cache.invalidate")

    async def get(self, namespace: str, keys: Sequence[str], *, claim: bool = False) -> list[Lookup]:
        """Return a lookup for each key, in one round trip. If Redis fails, every lookup is a miss without a position.

        With `claim`, one reader at a time fills a missed entry: the claim ends when the entry is written or after
        CLAIM_MS. If Redis accepts no writes, every reader can fill.
        """
        prefix = f"{self._entry_prefix}{namespace}:"
        names = [prefix + key for key in keys]
        # A traced read runs its own script, because a shared one has no parent span.
        if len(names) == 1 and not trace.get_current_span().is_recording():
            found = await self._shared[claim].get(names[0])
            if found is None or not found.is_large:
                return [found or UNKNOWN]
        return list(await self._get(names, claim=claim) or [UNKNOWN] * len(keys))

    async def _get(self, names: Sequence[str], *, claim: bool) -> Sequence[Lookup] | None:
        """Run the script for entries by their names in Redis. Return None if Redis fails."""
        arguments = MAX_RESPONSE_BYTES, CLAIM_MS if claim else 0
        answer = await self._store.read(GET, (self._store.stream, *names), *arguments)
        if answer is None:
            return None
        position = StreamPosition(answer[0].decode(), answer[1])
        miss = Lookup(position)
        return [self._lookup(position, found) if found else miss for found in answer[2:]]

    def _lookup(self, position: StreamPosition, found: Any) -> Lookup:
        """Return the script's result for one entry: the entry, the rest of a claim in milliseconds, or `large`."""
        if isinstance(found, int):
            return Lookup(position, retry_ms=min(found, RETRY_MS))
        if isinstance(found, bytes):
            return Lookup(position, is_large=True)
        value, ttl_ms, kind, *tags = found
        names = tuple(tag.decode().removeprefix(self._tag_prefix) for tag in tags)
        return Lookup(position, value, ttl_ms, kind == b"absent", names)

    async def set(self, namespace: str, entries: Sequence[Entry]) -> list[bool]:
        """Write each entry whose lease is valid, all atomically. Return for each whether it was written.

        A lease is valid if its epoch is the present one and no tag of the entry was invalidated since. Raises
        Unavailable if Redis fails.
        """
        args: list[Argument] = []
        for entry in entries:
            lease = entry.lease or StreamPosition("", 0)
            kind = "absent" if entry.absent else "value"
            args += (f"{self._entry_prefix}{namespace}:{entry.key}", kind, entry.value, entry.ttl_ms)
            args += (lease.epoch, lease.offset, len(entry.tags), *(self._tag_prefix + tag for tag in entry.tags))
        return [stored == 1 for stored in await self._store.write(SET, (self._store.stream,), *args)]

    async def delete(self, namespace: str, keys: Sequence[str]) -> int:
        """Delete the entries. Return how many existed. Raises Unavailable if Redis fails.

        A reader that missed earlier can still fill the key with an old value. To prevent that, invalidate a tag.
        """
        prefix = f"{self._entry_prefix}{namespace}:"
        return int(await self._store.write(DELETE, tuple(prefix + key for key in keys)))

    async def invalidate(self, tags: Sequence[str]) -> Invalidated:
        """Make every entry with one of the tags a miss, and make earlier leases invalid for such entries.

        Raises Unavailable if Redis fails. Then this process reads nothing from Redis until a new epoch has made all
        entries misses. A started invalidation continues even if its caller leaves.
        """
        try:
            outcome = await asyncio.shield(self._invalidating.start(self._invalidate(tags)))
        except TooManyTasksError:
            raise Unavailable(
                "TOO_MANY_INVALIDATIONS", "too many invalidations are waiting for Redis: retry later"
            ) from None
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome

    async def drain(self) -> None:
        """Wait for the running invalidations, each of which ends by the store's time-out."""
        await self._invalidating.drain(2 * WRITE_SECONDS)
        for shared in self._shared.values():
            await shared.drain()

    async def _invalidate(self, tags: Sequence[str]) -> Invalidated | Unavailable:
        store = self._store
        keys = (store.stream, store.watchers, *(self._tag_prefix + tag for tag in dict.fromkeys(tags)))
        try:
            epoch, offset, kept_since, *reports = await store.invalidate(INVALIDATE, keys, TAG_LIFE_MS)
        except Unavailable as error:
            return error
        return Invalidated(StreamPosition(epoch.decode(), offset), kept_since, parse_reports(reports))
