"""trivet.cache.v1 over gRPC: decode, one call, encode."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

from grpc import aio
from prometheus_client import Counter

from runtime import failpoints
from runtime.clock import timestamp
from runtime.errors import InvalidArgument
from runtime.rpc.validation import validator
from services.cache import namespaces, request_validation
from services.cache.bounded_streams import BoundedStreams
from services.cache.counters import Counters
from services.cache.entries import Entries, Entry, Lookup
from services.cache.invalidation.readers import Reader
from services.cache.invalidation.watchers import Watchers
from services.cache.messages import (
    Chance,
    caller,
    decode_entry,
    decode_place,
    encode_position,
    encode_watch_event,
    milliseconds,
    ttl_nanoseconds,
    write_lookup,
)
from services.cache.namespaces import Namespace
from services.cache.rate_limits import GcraLimits, WindowLimits
from services.cache.stats import Stats
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceServicer
from trivet.cache.v1.rate_limit_service_pb2 import AcquireRequest, AcquireResponse
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceServicer
from trivet.client.deadline import remaining

CONFIRM_SECONDS = 1.0
ANSWER_SECONDS = 0.05
"""What is kept of the caller's time for the answer, which says that it is not confirmed yet."""

SILENCE_SECONDS = 30.0
"""After how long without a word a reader is taken to be gone: its connection may be dead without anybody saying so."""

Context = aio.ServicerContext[Any, Any]

_check_batch = validator(pb.StreamGetRequest.DESCRIPTOR, "StreamGet")
"""What every call's interceptor does for a request, for each message of a stream."""

asked = Counter("trivet_cache_acquired_total", "What rate limits were asked for, by what they said.", ["outcome"])
_allowed, _refused = asked.labels("allowed"), asked.labels("refused")


class CacheServicer(CacheServiceServicer):
    """Entries, tags, counters and the watching of tags for whichever service calls."""

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
        self._entries = entries
        self._counters = counters
        self._watchers = watchers
        self._stats = stats
        self._chance = chance
        self._streams = BoundedStreams(silence_seconds)

    async def Get(self, request: pb.GetRequest, context: Context) -> pb.GetResponse:
        namespace = namespaces.to_read(request.namespace, caller())
        request_validation.check_key(request.key, "key")
        lookups = await self._read(namespace, (request.key,), claim=request.claim)
        answer = pb.GetResponse()
        write_lookup(lookups[0], answer.lookup)
        return answer

    async def BatchGet(self, request: pb.BatchGetRequest, context: Context) -> pb.BatchGetResponse:
        answer = pb.BatchGetResponse()
        await self._batch(request, answer)
        return answer

    async def StreamGet(
        self, requests: AsyncIterator[pb.StreamGetRequest], context: Context
    ) -> AsyncIterator[pb.StreamGetResponse]:
        async for request in self._streams.messages(requests):
            _check_batch(request)
            answer = pb.StreamGetResponse()
            await self._batch(request, answer)
            yield answer

    async def _batch(
        self, request: pb.BatchGetRequest | pb.StreamGetRequest, answer: pb.BatchGetResponse | pb.StreamGetResponse
    ) -> None:
        namespace = namespaces.to_read(request.namespace, caller())
        request_validation.check_keys(request.keys)
        for lookup in await self._read(namespace, request.keys, claim=request.claim):
            write_lookup(lookup, answer.lookups.add())

    def drain(self) -> None:
        """End every stream, and take no more."""
        self._watchers.close()
        self._streams.close()

    async def Set(self, request: pb.SetRequest, context: Context) -> pb.SetResponse:
        namespace = namespaces.to_fill(request.namespace, caller())
        stored = await self._write(namespace, [decode_entry(request.entry, namespace, "entry", self._chance)])
        return pb.SetResponse(stored=stored[0])

    async def BatchSet(self, request: pb.BatchSetRequest, context: Context) -> pb.BatchSetResponse:
        namespace = namespaces.to_fill(request.namespace, caller())
        request_validation.check_count(len(request.entries), request_validation.MAX_BATCH, "entries")
        entries = [
            decode_entry(entry, namespace, f"entries[{index}]", self._chance)
            for index, entry in enumerate(request.entries)
        ]
        return pb.BatchSetResponse(stored=await self._write(namespace, entries))

    async def Delete(self, request: pb.DeleteRequest, context: Context) -> pb.DeleteResponse:
        namespace = namespaces.to_fill(request.namespace, caller())
        request_validation.check_key(request.key, "key")
        return pb.DeleteResponse(deleted=await self._entries.delete(namespace.name, (request.key,)) == 1)

    async def BatchDelete(self, request: pb.BatchDeleteRequest, context: Context) -> pb.BatchDeleteResponse:
        namespace = namespaces.to_fill(request.namespace, caller())
        request_validation.check_keys(request.keys)
        return pb.BatchDeleteResponse(deleted_count=await self._entries.delete(namespace.name, request.keys))

    async def Invalidate(self, request: pb.InvalidateRequest, context: Context) -> pb.InvalidateResponse:
        who = caller()
        request_validation.check_tags(request.tags, "tags", request_validation.MAX_INVALIDATED_TAGS)
        tags = [namespaces.tag_to_invalidate(tag, who) for tag in request.tags]
        invalidated = await self._entries.invalidate(tags)
        confirmed = await self._watchers.confirmed(invalidated, within=remaining(CONFIRM_SECONDS) - ANSWER_SECONDS)
        return pb.InvalidateResponse(position=encode_position(invalidated.position), confirmed=confirmed)

    async def Increment(self, request: pb.IncrementRequest, context: Context) -> pb.IncrementResponse:
        namespace = namespaces.to_fill(request.namespace, caller())
        request_validation.check_key(request.key, "key")
        ttl_ms = request_validation.ttl_ms(ttl_nanoseconds(request), namespace.max_ttl_ms, "ttl")
        delta = request.delta if request.HasField("delta") else 1
        return pb.IncrementResponse(value=await self._counters.add(namespace.name, request.key, delta, ttl_ms))

    async def GetStats(self, request: pb.GetStatsRequest, context: Context) -> pb.GetStatsResponse:
        return pb.GetStatsResponse(
            namespaces=[
                pb.NamespaceStats(
                    namespace=name, hits=counts.hits, misses=counts.misses, fills=counts.fills, refusals=counts.refusals
                )
                for name, counts in self._stats.by_name()
            ],
            start_time=timestamp(self._stats.start_time),
        )

    async def Watch(
        self, requests: AsyncIterator[pb.WatchRequest], context: Context
    ) -> AsyncIterator[pb.WatchResponse]:
        reader = self._watchers.join(caller())
        listening = asyncio.create_task(self._listen(requests, reader))
        listening.add_done_callback(lambda _: reader.close())
        try:
            async for event in reader.told():
                yield encode_watch_event(event)
            if listening.done():
                listening.result()  # raises what was wrong with what the reader said
        finally:
            self._watchers.leave(reader)
            listening.cancel()
            await asyncio.wait((listening,))

    async def _listen(self, requests: AsyncIterator[pb.WatchRequest], reader: Reader) -> None:
        has_begun = False
        async for request in self._streams.messages(requests):
            resume_from, applied = decode_place(request, "resume_from"), decode_place(request, "applied")
            if not has_begun:
                has_begun = True
                self._watchers.begin(reader, resume_from)
            if applied is not None:
                self._watchers.applied(reader, applied)
            if request.tick_ns:
                self._watchers.tick(reader, request.tick_ns)

    async def _read(self, namespace: Namespace, keys: Sequence[str], *, claim: bool) -> list[Lookup]:
        lookups = await self._entries.get(namespace.name, keys, claim=claim)
        await failpoints.reach("cache.before_answer")
        found = sum(lookup.value is not None for lookup in lookups)
        self._stats.of(namespace.name).read(found, len(lookups))
        return lookups

    async def _write(self, namespace: Namespace, entries: Sequence[Entry]) -> list[bool]:
        stored = await self._entries.set(namespace.name, entries)
        self._stats.of(namespace.name).wrote(sum(stored), len(stored))
        return stored


class RateLimitServicer(RateLimitServiceServicer):
    """Limits for whichever service calls, each caller's rules apart."""

    def __init__(self, windows: WindowLimits, rates: GcraLimits) -> None:
        self._counts: dict[int, WindowLimits | GcraLimits] = {
            AcquireRequest.ALGORITHM_UNSPECIFIED: windows,
            AcquireRequest.ALGORITHM_WINDOW: windows,
            AcquireRequest.ALGORITHM_GCRA: rates,
        }

    async def Acquire(self, request: AcquireRequest, context: Context) -> AcquireResponse:
        rule = namespaces.rule_name(request.rule, caller())
        cost = request.cost if request.HasField("cost") else 1
        request_validation.check_limit(request.limit, cost)
        period_ms = request_validation.period_ms(request.period.ToNanoseconds())
        counts = self._counts.get(request.algorithm)
        if counts is None:
            raise InvalidArgument("UNKNOWN_ALGORITHM", "algorithm is none of ours", field="algorithm")
        taken = await counts.take(rule, request.subject, request.limit, period_ms, cost)
        if taken.allowed:
            _allowed.inc()
            return AcquireResponse(allowed=True, remaining=taken.remaining)
        _refused.inc()
        wait = milliseconds(taken.retry_after_ms)
        return AcquireResponse(allowed=False, remaining=taken.remaining, retry_after=wait)
