"""Batches lookups in one namespace of the cache. Lookups that come during a call share the next one."""

import asyncio
from collections.abc import Iterable, Sequence
from contextvars import Context

from opentelemetry import trace

from trivet.cache.v1.cache_pb2 import GetRequest, Lookup
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client.near.lookup_stream import LookupStream

LOOKUP_SECONDS = 0.25
"""How long a lookup may take, its turn included: what it saves is less than waiting longer costs."""
LEAST_SECONDS = 0.01
MAX_KEYS = 1_000

Waiting = list["asyncio.Future[Lookup]"]


class LookupBatcher:
    """One call at a time, for all keys requested by then. A lookup never shares a call that began before it.

    A miss is claimed: of all readers everywhere, one at a time fills the entry.
    """

    def __init__(self, cache: CacheServiceStub, namespace: str, *, stream: LookupStream | None = None) -> None:
        self._cache = cache
        self._namespace = namespace
        self._stream = LookupStream(cache, namespace) if stream is None else stream
        self._wanted: dict[str, Waiting] = {}
        self._wanted_since = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def get(self, key: str) -> Lookup:
        """Return what the cache knows of a key now. Raises AioRpcError."""
        if trace.get_current_span().is_recording():  # a shared call has no parent span
            request = GetRequest(namespace=self._namespace, key=key, claim=True)
            return (await self._cache.Get(request, timeout=LOOKUP_SECONDS)).lookup
        loop = asyncio.get_running_loop()
        if not self._wanted:
            self._wanted_since = loop.time()
        found: asyncio.Future[Lookup] = loop.create_future()
        self._wanted.setdefault(key, []).append(found)
        if self._asking is None:
            # A context of its own, without the deadline and the person of the first request.
            self._asking = loop.create_task(self._ask_while_any_is_wanted(), context=Context())
        return await found

    async def _ask_while_any_is_wanted(self) -> None:
        batch, call = self._begin()
        while call is not None:
            try:
                found = list(zip(batch.values(), await call, strict=True))
            except Exception as error:  # all waiting requests fail, also those for the next call
                _fail((*batch.values(), *self._wanted.values()), error)
                self._wanted.clear()
                break
            batch, call = self._begin()
            if call is not None:
                # The next call is on its way before those who are answered go on: the cache works while they do.
                await asyncio.sleep(0)
            for waiting, lookup in found:
                _answer(waiting, lookup)
        self._asking = None

    def _begin(self) -> tuple[dict[str, Waiting], "asyncio.Task[Sequence[Lookup]] | None"]:
        """Begin a call for what is wanted; return who waits for which key, and the call, None if nothing is."""
        if not self._wanted:
            return {}, None
        loop = asyncio.get_running_loop()
        batch = {key: self._wanted.pop(key) for key in list(self._wanted)[:MAX_KEYS]}
        left = self._wanted_since + LOOKUP_SECONDS - loop.time()
        return batch, loop.create_task(self._stream.ask(tuple(batch), max(LEAST_SECONDS, left)))


def _answer(waiting: Waiting, lookup: Lookup) -> None:
    for found in waiting:
        if not found.done():  # its request may have ended
            found.set_result(lookup)


def _fail(many: Iterable[Waiting], error: Exception) -> None:
    for waiting in many:
        for found in waiting:
            if not found.done():
                found.set_exception(error)
