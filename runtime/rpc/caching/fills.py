"""Writes the responses of cacheable RPCs to the cache, under the lease of the caller's cache miss."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from prometheus_client import Counter

from runtime.background.tasks import Tasks, TooManyTasksError
from runtime.clock import Clock, utc_now
from runtime.errors import Absent
from runtime.rpc.actor import current_actor
from runtime.rpc.caching.cached_rpcs import KEY, CachedRpc, declared
from runtime.rpc.caching.lease import current_lease
from runtime.rpc.interceptor_chain import Call, Interceptor, Proceed
from trivet.cache.v1.cache_pb2 import Entry, SetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

FILL_SECONDS = 0.4
"""Longer than the cache waits for Redis, so that the cache reports the outcome and not a time-out."""
FILL_WAIT_SECONDS = 0.05

offers = Counter("trivet_cache_offers_total", "Entries offered to the cache, by outcome.", ["outcome"])


class CacheFills(Interceptor):
    """Writes the response of a cacheable RPC to the cache if the caller sent the lease of a miss.

    It is the innermost interceptor. The handler reads its data after the call came in, and so after the miss: each of
    its store calls is a transaction of its own on the primary. If a tag moved since the miss, the cache refuses the
    entry. A fill never fails a call and delays its response by at most 50 ms; slower fills go on in `tasks`.
    """

    def __init__(self, cache: CacheServiceStub, tasks: Tasks, *, now: Clock = utc_now) -> None:
        self._cache = cache
        self._tasks = tasks
        self._now = now
        self._rpcs: dict[str, CachedRpc] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        """Read the method's cache declaration. Raises WrongDeclarationError."""
        if descriptor is not None and (rpc := declared(descriptor)) is not None:
            self._rpcs[method] = rpc

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        rpc = self._rpcs.get(call.method)
        if rpc is None or current_lease.get() is None:
            return await proceed(call)
        try:
            answer = await proceed(call)
        except Absent:
            await self._fill(rpc, call, None, rpc.absent_ttl)
            raise
        await self._fill(rpc, call, answer, rpc.ttl_of(answer, self._now()))
        return answer

    async def _fill(self, rpc: CachedRpc, call: Call, answer: Any, ttl: timedelta) -> None:
        key = rpc.key_of(call.request, current_actor.get().user_id)
        tags = rpc.tags_of(key, answer)
        if ttl <= timedelta() or not all(map(KEY.fullmatch, (key, *tags))):
            return
        entry = Entry(key=key, tags=tags, ttl=_duration(ttl), lease=current_lease.get(), absent=answer is None)
        if answer is not None:
            entry.value = answer.SerializeToString()
        try:
            task = self._tasks.start(self._offer(SetRequest(namespace=rpc.namespace, entry=entry)))
        except TooManyTasksError:
            return
        await asyncio.wait({task}, timeout=FILL_WAIT_SECONDS)

    async def _offer(self, request: SetRequest) -> None:
        try:
            answer = await self._cache.Set(request, timeout=FILL_SECONDS)
        except grpc.aio.AioRpcError:
            offers.labels("failed").inc()
        else:
            offers.labels("stored" if answer.stored else "refused").inc()


def _duration(time: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(time)
    return message
