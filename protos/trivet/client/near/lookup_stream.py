"""Sends batches of lookups on one stream to the cache service. A message costs a third of a call."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc import aio

from trivet.cache.v1.cache_pb2 import Lookup, StreamGetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client.actor import NoKeyError

STREAM_SECONDS = 10.0
"""How old a stream grows: less than the service lets one be silent, and soon enough to find another process of it."""
BROKEN = (aio.AioRpcError, aio.UsageError, asyncio.InvalidStateError)
"""What writing and reading raise once a call has ended, depending on when they learn of it."""


class LookupStream:
    """Asks for one batch at a time in one namespace; a new stream is begun when the one before is old, or has failed.

    A miss is claimed: of all readers everywhere, one at a time fills the entry.
    """

    def __init__(
        self, cache: CacheServiceStub, namespace: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._cache = cache
        self._namespace = namespace
        self._monotonic = monotonic
        self._call: Any = None
        self._ends = 0.0

    async def ask(self, keys: Sequence[str], seconds: float) -> Sequence[Lookup]:
        """Return the lookup of each key within `seconds`. Raises AioRpcError."""
        request = StreamGetRequest(namespace=self._namespace, keys=keys, claim=True)
        try:
            async with asyncio.timeout(seconds):
                if (lookups := await self._on_the_open_one(request)) is not None:
                    return lookups
                self._begin()
                return await self._exchanged(request)
        except TimeoutError:
            self.close()
            raise _failure(grpc.StatusCode.DEADLINE_EXCEEDED, "the cache did not answer in time") from None
        except BROKEN as error:
            self.close()
            if isinstance(error, aio.AioRpcError):
                raise
            raise _failure(grpc.StatusCode.UNAVAILABLE, "the stream to the cache has ended") from error

    async def _on_the_open_one(self, request: StreamGetRequest) -> Sequence[Lookup] | None:
        """Return what comes back on the stream that is open, None where a new one is needed: it may end at any time."""
        if self._call is None or self._monotonic() >= self._ends:
            return None
        try:
            return await self._exchanged(request)
        except BROKEN:
            return None

    async def _exchanged(self, request: StreamGetRequest) -> Sequence[Lookup]:
        await self._call.write(request)
        answer = await self._call.read()
        if answer is aio.EOF:
            raise _failure(grpc.StatusCode.UNAVAILABLE, "the cache has ended the stream")
        lookups: Sequence[Lookup] = answer.lookups
        return lookups

    def _begin(self) -> None:
        self.close()
        try:
            self._call = self._cache.StreamGet()
        except NoKeyError as error:  # as a cache that refuses the key: its owner is asked
            raise _failure(grpc.StatusCode.UNAVAILABLE, str(error)) from None
        self._ends = self._monotonic() + STREAM_SECONDS

    def close(self) -> None:
        """End the stream, if there is one."""
        if self._call is not None:
            self._call.cancel()
            self._call = None


def _failure(code: grpc.StatusCode, details: str) -> aio.AioRpcError:
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(), details)
