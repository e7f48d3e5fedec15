"""Invalidates cache tags after a service changed its data. `runtime/rpc/caching/fills.py` fills after a miss."""

from collections.abc import Sequence

import grpc

from runtime.delivery_errors import delivery_error
from trivet.cache.v1.cache_pb2 import InvalidateRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

INVALIDATE_SECONDS = 1.2
"""Longer than the cache waits for its readers, so that the cache reports who confirmed and not a time-out."""


class CacheInvalidations:
    """A client of the cache service for services that change cached data."""

    def __init__(self, stub: CacheServiceStub) -> None:
        self._stub = stub

    async def invalidate(self, tags: Sequence[str]) -> bool:
        """Invalidate all entries with these tags. Return True if every near cache has confirmed.

        Raises Unavailable if the cache cannot be reached, and DeliveryRejectedError if it rejects the tags.
        """
        try:
            answer = await self._stub.Invalidate(InvalidateRequest(tags=tags), timeout=INVALIDATE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise delivery_error(error, "cache") from error
        return answer.confirmed
