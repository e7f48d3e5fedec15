"""Batches lookups in one namespace of the cache. Lookups that come during a call share the next one."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from functools import partial

from opentelemetry import trace

from trivet.cache.v1.cache_pb2 import GetRequest, Lookup
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client.near.lookup_stream import LookupStream

logger = logging.getLogger(__name__)

LOOKUP_SECONDS = 0.25
"""How long a lookup may take, its turn included: what it saves is less than waiting longer costs."""
LEAST_SECONDS = 0.01
MAX_KEYS = 1_000

Then = Callable[[Lookup | Exception], None]
"""Gets what the cache knows of a key, or why that cannot be said."""


class LookupBatcher:
    """One call at a time, for all keys requested by then. A lookup never shares a call that began before it.

    A miss is claimed: of all readers everywhere, one at a time fills the entry.
    """

    def __init__(self, cache: CacheServiceStub, namespace: str, *, stream: LookupStream | None = None) -> None:
        self._cache = cache
        self._namespace = namespace
        self._stream = LookupStream(cache, namespace) if stream is None else stream
        self._wanted: dict[str, list[Then]] = {}
        self._wanted_since = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def get(self, key: str) -> Lookup:
        """Return what the cache knows of a key now. Raises AioRpcError."""
        if trace.get_current_span().is_recording():  # a shared call has no parent span
            request = GetRequest(namespace=self._namespace, key=key, claim=True)
            return (await self._cache.Get(request, timeout=LOOKUP_SECONDS)).lookup
        found: asyncio.Future[Lookup] = asyncio.get_running_loop().create_future()
        self.begin(key, partial(_settle, found))
        return await found

    def begin(self, key: str, then: Then) -> None:
        """Have `then` called with what the cache knows of a key now, in the next call. It must not wait."""
        loop = asyncio.get_running_loop()
        if not self._wanted:
            self._wanted_since = loop.time()
        self._wanted.setdefault(key, []).append(then)
        if self._asking is None:
            # A context of its own, without the deadline and the person of the first request.
            self._asking = loop.create_task(self._ask_while_any_is_wanted(), context=Context())

    async def _ask_while_any_is_wanted(self) -> None:
        batch, call = self._begin()
        while call is not None:
            try:
                found = list(zip(batch.values(), await call, strict=True))
            except Exception as error:  # all waiting requests fail, also those for the next call
                waiting = (*batch.values(), *self._wanted.values())
                self._wanted.clear()
                self._asking = None  # a callback may begin the next lookup
                for each in waiting:
                    _tell(each, error)
                return
            batch, call = self._begin()
            if call is not None:
                # The next call is on its way before those who are answered go on: the cache works while they do.
                await asyncio.sleep(0)
            for each, lookup in found:
                _tell(each, lookup)
            if call is None:  # one of those may have begun another lookup
                batch, call = self._begin()
        self._asking = None

    def _begin(self) -> tuple[dict[str, list[Then]], "asyncio.Task[Sequence[Lookup]] | None"]:
        """Begin a call for what is wanted; return who waits for which key, and the call, None if nothing is."""
        if not self._wanted:
            return {}, None
        loop = asyncio.get_running_loop()
        batch = {key: self._wanted.pop(key) for key in list(self._wanted)[:MAX_KEYS]}
        left = self._wanted_since + LOOKUP_SECONDS - loop.time()
        return batch, loop.create_task(self._stream.ask(tuple(batch), max(LEAST_SECONDS, left)))


def _tell(waiting: Iterable[Then], answer: Lookup | Exception) -> None:
    for then in waiting:
        try:
            then(answer)
        except Exception:  # the other waiting requests go on
            logger.exception("unexpected failure of a request that waited for a lookup")


def _settle(found: "asyncio.Future[Lookup]", answer: Lookup | Exception) -> None:
    if found.done():  # its request has ended
        return
    if isinstance(answer, Exception):
        found.set_exception(answer)
    else:
        found.set_result(answer)
