"""Answers on their way into the cache: what an RPC declares is filled for whoever missed, by whoever owns the data."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from prometheus_client import Counter

from runtime.clock import Clock, utc_now
from runtime.errors import Absent
from runtime.rpc.actor import current_actor
from runtime.rpc.cached_rpcs import KEY, CachedRpc, declared
from runtime.rpc.interceptor_chain import Call, Concern, Proceed
from runtime.rpc.lease import current_lease
from runtime.tasks import Tasks, TooManyTasksError
from trivet.cache.v1.cache_pb2 import Entry, SetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

FILL_SECONDS = 0.4
"""Longer than the cache waits for Redis, so that it says itself what became of the entry."""
FILL_WAIT_SECONDS = 0.05

offers = Counter("trivet_cache_offers_total", "Entries offered to the cache, by what became of them.", ["outcome"])


class Fills(Concern):
    """Offers the answer of a declared RPC to the cache if the call came with the position of a miss.

    It is the innermost concern. What the handler has answered was read after the call came in, and so after the miss:
    each store call of a handler is a transaction of its own on the primary, begun when the handler makes it. If a tag
    moved since the miss, the cache refuses the entry. An offer never fails a call, and holds its answer back for 50 ms
    at most; `tasks` holds those that take longer.
    """

    def __init__(self, cache: CacheServiceStub, tasks: Tasks, *, now: Clock = utc_now) -> None:
        self._cache = cache
        self._tasks = tasks
        self._now = now
        self._rpcs: dict[str, CachedRpc] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        """Learn what the method declares. Raises WrongDeclarationError."""
        if descriptor is not None and (rpc := declared(descriptor)) is not None:
            self._rpcs[method] = rpc

    async def around(self, call: Call, proceed: Proceed) -> Any:
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
