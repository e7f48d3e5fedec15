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
"""The time limit of a lookup, with its wait for the call before it. Asking the owner costs less than waiting longer."""
MIN_CALL_SECONDS = 0.01
MAX_KEYS = 1_000

Then = Callable[[Lookup | Exception], None]
"""Is called with the lookup of a key, or with the exception of the call. It must not wait."""


class LookupBatcher:
    """Makes one call at a time, for all keys requested meanwhile. No lookup shares a call that began before it.

    Each miss is claimed, so that one reader of all processes at a time fills the entry.
    """

    def __init__(self, cache: CacheServiceStub, namespace: str, *, stream: LookupStream | None = None) -> None:
        self._cache = cache
        self._namespace = namespace
        self._stream = LookupStream(cache, namespace) if stream is None else stream
        self._requested: dict[str, list[Then]] = {}
        self._requested_since = 0.0
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: str) -> Lookup:
        """Return the lookup of a key. Raises AioRpcError."""
        if trace.get_current_span().is_recording():  # a shared call has no parent span
            request = GetRequest(namespace=self._namespace, key=key, claim=True)
            return (await self._cache.Get(request, timeout=LOOKUP_SECONDS)).lookup
        found: asyncio.Future[Lookup] = asyncio.get_running_loop().create_future()
        self.begin(key, partial(_settle, found))
        return await found

    def begin(self, key: str, then: Then) -> None:
        """Look a key up with the next call, and call `then` with the result."""
        loop = asyncio.get_running_loop()
        if not self._requested:
            self._requested_since = loop.time()
        self._requested.setdefault(key, []).append(then)
        if self._running is None:
            # In an empty context: the deadline and the user of the first request are not those of the others.
            self._running = loop.create_task(self._run(), context=Context())

    async def _run(self) -> None:
        batch, call = self._begin()
        while call is not None:
            try:
                found = list(zip(batch.values(), await call, strict=True))
            except Exception as error:  # all waiting lookups fail, also those of the next call
                waiting = (*batch.values(), *self._requested.values())
                self._requested.clear()
                self._running = None  # a callback can begin the next lookup
                for each in waiting:
                    _notify(each, error)
                return
            batch, call = self._begin()
            if call is not None:
                # Let the next call begin before the answered lookups go on, so that both work at the same time.
                await asyncio.sleep(0)
            for each, lookup in found:
                _notify(each, lookup)
            if call is None:  # a callback can have begun another lookup
                batch, call = self._begin()
        self._running = None

    def _begin(self) -> tuple[dict[str, list[Then]], "asyncio.Task[Sequence[Lookup]] | None"]:
        """Begin a call for the requested keys. Returns the callbacks by key, and the call, None without keys."""
        if not self._requested:
            return {}, None
        loop = asyncio.get_running_loop()
        batch = {key: self._requested.pop(key) for key in list(self._requested)[:MAX_KEYS]}
        left = self._requested_since + LOOKUP_SECONDS - loop.time()
        return batch, loop.create_task(self._stream.ask(tuple(batch), max(MIN_CALL_SECONDS, left)))


def _notify(waiting: Iterable[Then], answer: Lookup | Exception) -> None:
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
