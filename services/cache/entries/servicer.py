"""The RPCs of entries: decode, one call, encode."""

from collections.abc import AsyncIterator, Sequence

from runtime import failpoints
from runtime.rpc.interceptor_chain import Context
from runtime.rpc.validation import validator
from services.cache import namespaces, request_validation
from services.cache.bounded_streams import BoundedStreams
from services.cache.entries.entries import Entries, Entry, Lookup
from services.cache.entries.messages import Chance, decode_entry, write_lookup
from services.cache.messages import caller
from services.cache.namespaces import Namespace
from services.cache.stats.stats import Stats
from trivet.cache.v1 import cache_pb2 as pb

_check_batch = validator(pb.StreamGetRequest.DESCRIPTOR, "StreamGet")
"""Checks each message of a stream, as the interceptor RequiredFields checks the request of a unary call."""


class EntryRpcs:
    """Get, BatchGet, StreamGet, Set, BatchSet, Delete and BatchDelete."""

    def __init__(self, entries: Entries, stats: Stats, streams: BoundedStreams, *, chance: Chance) -> None:
        self._entries = entries
        self._stats = stats
        self._streams = streams
        self._chance = chance

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
