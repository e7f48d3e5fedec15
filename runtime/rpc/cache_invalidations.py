"""What a service has dropped from the cache after a change; `runtime/rpc/cache_fills.py` fills it after a miss."""

from collections.abc import Sequence

import grpc

from runtime.delivery_errors import undelivered
from trivet.cache.v1.cache_pb2 import InvalidateRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

INVALIDATE_SECONDS = 1.2
"""Longer than the cache waits for its readers, so that it says itself whether all have confirmed."""


class Invalidations:
    """The cache service, as those use it who change what is made of their data."""

    def __init__(self, stub: CacheServiceStub) -> None:
        self._stub = stub

    async def invalidate(self, tags: Sequence[str]) -> bool:
        """Drop what was made of the tags; return whether every cache has confirmed.

        Raises Unavailable when the cache cannot be reached, RefusedError when it does not take these tags.
        """
        try:
            answer = await self._stub.Invalidate(InvalidateRequest(tags=tags), timeout=INVALIDATE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise undelivered(error, "cache") from error
        return answer.confirmed
