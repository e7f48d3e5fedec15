"""trivet.cache.v1 over gRPC: decode, one call, encode."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration
from grpc import aio
from prometheus_client import Counter

from runtime.actor import current_actor
from runtime.clock import timestamp
from runtime.errors import InvalidArgument, Unimplemented
from services.cache import limits, namespaces
from services.cache.counters import Counters
from services.cache.entries import Entries, Entry, Lookup, Position
from services.cache.namespaces import Namespace
from services.cache.stats import Stats
from services.cache.windows import Windows
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceServicer, RateLimitServiceServicer

Context = aio.ServicerContext[Any, Any]

asked = Counter("trivet_cache_acquired_total", "What rate limits were asked for, by what they said.", ["outcome"])
_allowed, _refused = asked.labels("allowed"), asked.labels("refused")


class CacheServicer(CacheServiceServicer):
    """Entries, tags and counters for whichever service calls."""

    def __init__(self, entries: Entries, counters: Counters, stats: Stats) -> None:
        self._entries = entries
        self._counters = counters
        self._stats = stats

    async def Get(self, request: pb.GetRequest, context: Context) -> pb.GetResponse:
        namespace = namespaces.to_read(request.namespace, _caller())
        limits.check_key(request.key, "key")
        lookups = await self._read(namespace, (request.key,))
        return pb.GetResponse(lookup=_lookup(lookups[0]))

    async def BatchGet(self, request: pb.BatchGetRequest, context: Context) -> pb.BatchGetResponse:
        namespace = namespaces.to_read(request.namespace, _caller())
        limits.check_keys(request.keys)
        return pb.BatchGetResponse(lookups=map(_lookup, await self._read(namespace, request.keys)))

    async def Set(self, request: pb.SetRequest, context: Context) -> pb.SetResponse:
        namespace = namespaces.to_fill(request.namespace, _caller())
        stored = await self._write(namespace, [_entry(request.entry, namespace, "entry")])
        return pb.SetResponse(stored=stored[0])

    async def BatchSet(self, request: pb.BatchSetRequest, context: Context) -> pb.BatchSetResponse:
        namespace = namespaces.to_fill(request.namespace, _caller())
        limits.check_count(len(request.entries), limits.MAX_BATCH, "entries")
        entries = [_entry(entry, namespace, f"entries[{index}]") for index, entry in enumerate(request.entries)]
        return pb.BatchSetResponse(stored=await self._write(namespace, entries))

    async def Delete(self, request: pb.DeleteRequest, context: Context) -> pb.DeleteResponse:
        namespace = namespaces.to_fill(request.namespace, _caller())
        limits.check_key(request.key, "key")
        return pb.DeleteResponse(deleted=await self._entries.delete(namespace.name, (request.key,)) == 1)

    async def BatchDelete(self, request: pb.BatchDeleteRequest, context: Context) -> pb.BatchDeleteResponse:
        namespace = namespaces.to_fill(request.namespace, _caller())
        limits.check_keys(request.keys)
        return pb.BatchDeleteResponse(deleted_count=await self._entries.delete(namespace.name, request.keys))

    async def Invalidate(self, request: pb.InvalidateRequest, context: Context) -> pb.InvalidateResponse:
        caller = _caller()
        limits.check_tags(request.tags, "tags", limits.MAX_INVALIDATED_TAGS)
        tags = [namespaces.tag_to_invalidate(tag, caller) for tag in request.tags]
        position = await self._entries.invalidate(tags)
        # Nobody watches yet, so there is nobody to wait for.
        return pb.InvalidateResponse(position=_position(position), confirmed=True)

    async def Increment(self, request: pb.IncrementRequest, context: Context) -> pb.IncrementResponse:
        namespace = namespaces.to_fill(request.namespace, _caller())
        limits.check_key(request.key, "key")
        ttl_ms = limits.ttl_ms(_ttl_nanoseconds(request), namespace.max_ttl_ms, "ttl")
        delta = request.delta if request.HasField("delta") else 1
        return pb.IncrementResponse(value=await self._counters.add(namespace.name, request.key, delta, ttl_ms))

    async def GetStats(self, request: pb.GetStatsRequest, context: Context) -> pb.GetStatsResponse:
        return pb.GetStatsResponse(
            namespaces=[
                pb.NamespaceStats(
                    namespace=name, hits=tally.hits, misses=tally.misses, fills=tally.fills, refusals=tally.refusals
                )
                for name, tally in self._stats.by_name()
            ],
            start_time=timestamp(self._stats.start_time),
        )

    async def Watch(
        self, requests: AsyncIterator[pb.WatchRequest], context: Context
    ) -> AsyncIterator[pb.WatchResponse]:
        raise Unimplemented("WATCH_NOT_SERVED", "near caches cannot watch yet: read through Get")
        yield  # it answers a stream, if an empty one

    async def _read(self, namespace: Namespace, keys: Sequence[str]) -> list[Lookup]:
        lookups = await self._entries.get(namespace.name, keys)
        found = sum(lookup.value is not None for lookup in lookups)
        self._stats.of(namespace.name).read(found, len(lookups))
        return lookups

    async def _write(self, namespace: Namespace, entries: Sequence[Entry]) -> list[bool]:
        stored = await self._entries.set(namespace.name, entries)
        self._stats.of(namespace.name).wrote(sum(stored), len(stored))
        return stored


class RateLimitServicer(RateLimitServiceServicer):
    """Limits for whichever service calls, each caller's rules apart."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    async def Acquire(self, request: pb.AcquireRequest, context: Context) -> pb.AcquireResponse:
        rule = namespaces.rule_name(request.rule, _caller())
        cost = request.cost if request.HasField("cost") else 1
        limits.check_limit(request.limit, cost)
        period_ms = limits.period_ms(request.period.ToNanoseconds())
        taken = await self._windows.take(rule, request.subject, request.limit, period_ms, cost)
        if taken.allowed:
            _allowed.inc()
            return pb.AcquireResponse(allowed=True, remaining=taken.remaining)
        _refused.inc()
        wait = Duration()
        wait.FromMilliseconds(taken.retry_after_ms)
        return pb.AcquireResponse(allowed=False, remaining=taken.remaining, retry_after=wait)


def _caller() -> str:
    return current_actor.get().caller


def _ttl_nanoseconds(message: pb.Entry | pb.IncrementRequest) -> int | None:
    return message.ttl.ToNanoseconds() if message.HasField("ttl") else None


def _entry(message: pb.Entry, namespace: Namespace, field: str) -> Entry:
    """Return the entry that a message describes. Raises InvalidArgument with the path of what is wrong."""
    limits.check_key(message.key, f"{field}.key")
    limits.check_value(message.value, f"{field}.value")
    limits.check_tags(message.tags, f"{field}.tags")
    if namespace.lease_required and not message.lease.epoch:
        raise InvalidArgument(
            "LEASE_REQUIRED", f"{namespace.name} is filled with the position of a miss only", field=f"{field}.lease"
        )
    caller = _caller()
    return Entry(
        key=message.key,
        value=message.value,
        ttl_ms=limits.ttl_ms(_ttl_nanoseconds(message), namespace.max_ttl_ms, f"{field}.ttl"),
        tags=[namespaces.tag_name(tag, caller) for tag in message.tags],
        lease=Position(message.lease.epoch, message.lease.offset) if message.HasField("lease") else None,
    )


def _position(position: Position) -> pb.Position:
    return pb.Position(epoch=position.epoch, offset=position.offset)


def _lookup(lookup: Lookup) -> pb.Lookup:
    if lookup.position is None:
        return pb.Lookup()
    position = pb.Position(epoch=lookup.position.epoch, offset=lookup.position.offset)
    if lookup.value is None:
        return pb.Lookup(position=position)
    seconds, milliseconds = divmod(lookup.ttl_ms, 1_000)
    return pb.Lookup(
        found=True,
        value=lookup.value,
        position=position,
        ttl=Duration(seconds=seconds, nanos=milliseconds * 1_000_000),
    )
