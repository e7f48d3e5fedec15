"""Sends batches of lookups to the cache service on one stream. A message costs a third of what a call costs."""

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
"""The age at which a stream is replaced. A new stream can reach another process of the cache service."""
BROKEN = (aio.AioRpcError, aio.UsageError, asyncio.InvalidStateError)
"""What writes and reads raise after a call has ended. Which one depends on the moment."""


class LookupStream:
    """Looks up one batch at a time in one namespace. An old or failed stream is replaced by a new one.

    Each miss is claimed, so that one reader of all processes at a time fills the entry.
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
                if (lookups := await self._try_open_stream(request)) is not None:
                    return lookups
                self._begin()
                return await self._exchange(request)
        except TimeoutError:
            self.close()
            raise _failure(grpc.StatusCode.DEADLINE_EXCEEDED, "the cache service did not answer in time") from None
        except BROKEN as error:
            self.close()
            if isinstance(error, aio.AioRpcError):
                raise
            raise _failure(grpc.StatusCode.UNAVAILABLE, "the stream to the cache service ended") from error

    async def _try_open_stream(self, request: StreamGetRequest) -> Sequence[Lookup] | None:
        """Return the lookups by the open stream, None if a new stream is needed. A stream can end at any time."""
        if self._call is None or self._monotonic() >= self._ends:
            return None
        try:
            return await self._exchange(request)
        except BROKEN:
            return None

    async def _exchange(self, request: StreamGetRequest) -> Sequence[Lookup]:
        await self._call.write(request)
        answer = await self._call.read()
        if answer is aio.EOF:
            raise _failure(grpc.StatusCode.UNAVAILABLE, "the cache service ended the stream")
        lookups: Sequence[Lookup] = answer.lookups
        return lookups

    def _begin(self) -> None:
        self.close()
        try:
            self._call = self._cache.StreamGet()
        except NoKeyError as error:  # the same outcome as a refused key: the owner is asked
            raise _failure(grpc.StatusCode.UNAVAILABLE, str(error)) from None
        self._ends = self._monotonic() + STREAM_SECONDS

    def close(self) -> None:
        """End the stream, if there is one."""
        if self._call is not None:
            self._call.cancel()
            self._call = None


def _failure(code: grpc.StatusCode, details: str) -> aio.AioRpcError:
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(), details)
