"""What this service keeps in the cache service: filled after a miss, dropped after a change."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from prometheus_client import Counter

from runtime.errors import Unavailable
from runtime.lease import current_lease
from runtime.tasks import Tasks, TooManyTasksError
from services.identity.outbox import RefusedError
from trivet.cache.v1.cache_pb2 import Entry, InvalidateRequest, SetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

FILL_SECONDS = 0.25
FILL_WAIT_SECONDS = 0.05
INVALIDATE_SECONDS = 1.0
# Codes that say that the request itself is wrong: sending it again would be refused again.
REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED)

fills = Counter("trivet_cache_fills_total", "Entries offered to the cache, by what became of them.", ["outcome"])


class Cached:
    """The cache service, as this one uses it. `tasks` holds the fills, which no answer waits for to their end."""

    def __init__(self, stub: CacheServiceStub, tasks: Tasks) -> None:
        self._stub = stub
        self._tasks = tasks

    async def invalidate(self, tags: Sequence[str]) -> bool:
        """Drop what was made of the tags; return whether every cache has confirmed.

        Raises Unavailable when the cache cannot be reached, RefusedError when it will never take these tags.
        """
        try:
            answer = await self._stub.Invalidate(InvalidateRequest(tags=tags), timeout=INVALIDATE_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() in REFUSALS:
                raise RefusedError from error
            raise Unavailable("CACHE_UNAVAILABLE", "the cache does not answer") from error
        return answer.confirmed

    async def fill(self, namespace: str, key: str, value: Message | None, ttl: timedelta, tags: Sequence[str]) -> None:
        """Offer an entry if the call came with the position of a miss. Never fails, and takes 50 ms at most.

        None says that there is nothing. What is offered must have been read after the call came in: the cache refuses
        it if a tag moved since the miss.
        """
        lease = current_lease.get()
        if lease is None or ttl <= timedelta():
            return
        content = b"" if value is None else value.SerializeToString()
        entry = Entry(key=key, value=content, absent=value is None, tags=tags, ttl=_duration(ttl), lease=lease)
        try:
            task = self._tasks.start(self._offer(SetRequest(namespace=namespace, entry=entry)))
        except TooManyTasksError:
            return
        await asyncio.wait({task}, timeout=FILL_WAIT_SECONDS)

    async def _offer(self, request: SetRequest) -> None:
        try:
            answer = await self._stub.Set(request, timeout=FILL_SECONDS)
        except grpc.aio.AioRpcError:
            fills.labels("failed").inc()
        else:
            fills.labels("stored" if answer.stored else "refused").inc()


def _duration(time: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(time)
    return message
