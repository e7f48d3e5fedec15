"""The RPCs of invalidation: decode, one call, encode."""

import asyncio
from collections.abc import AsyncIterator

from runtime.rpc.interceptor_chain import Context
from services.cache import namespaces, request_validation
from services.cache.bounded_streams import BoundedStreams
from services.cache.entries.entries import Entries
from services.cache.invalidation.messages import decode_applied, encode_position, encode_watch_event
from services.cache.invalidation.readers import Reader
from services.cache.invalidation.watchers import Watchers
from services.cache.messages import caller
from trivet.cache.v1 import cache_pb2 as pb
from trivet.client.deadline import remaining

CONFIRM_SECONDS = 1.0
ANSWER_SECONDS = 0.05
"""The part of the caller's deadline that is reserved for the response of an unconfirmed invalidation."""


class InvalidationRpcs:
    """Invalidate and Watch."""

    def __init__(self, entries: Entries, watchers: Watchers, streams: BoundedStreams) -> None:
        self._entries = entries
        self._watchers = watchers
        self._streams = streams

    async def Invalidate(self, request: pb.InvalidateRequest, context: Context) -> pb.InvalidateResponse:
        request_validation.check_tags(request.tags, "tags", request_validation.MAX_INVALIDATED_TAGS)
        tags = [namespaces.tag_to_invalidate(tag, caller()) for tag in request.tags]
        invalidated = await self._entries.invalidate(tags)
        confirmed = await self._watchers.confirmed(invalidated, within=remaining(CONFIRM_SECONDS) - ANSWER_SECONDS)
        return pb.InvalidateResponse(position=encode_position(invalidated.position), confirmed=confirmed)

    async def Watch(
        self, requests: AsyncIterator[pb.WatchRequest], context: Context
    ) -> AsyncIterator[pb.WatchResponse]:
        reader = self._watchers.join(caller())
        listening = asyncio.create_task(self._listen(requests, reader))
        listening.add_done_callback(lambda _: reader.close())
        try:
            async for event in reader.events():
                yield encode_watch_event(event)
            if listening.done():
                listening.result()  # raises the error of an invalid request
        finally:
            self._watchers.leave(reader)
            listening.cancel()
            await asyncio.wait((listening,))

    async def _listen(self, requests: AsyncIterator[pb.WatchRequest], reader: Reader) -> None:
        has_begun = False
        async for request in self._streams.messages(requests):
            resume_from, applied = decode_applied(request, "resume_from"), decode_applied(request, "applied")
            if not has_begun:
                has_begun = True
                self._watchers.begin(reader, resume_from)
            if applied is not None:
                self._watchers.applied(reader, applied)
            if request.tick_ns:
                self._watchers.tick(reader, request.tick_ns)
