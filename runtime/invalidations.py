"""What a service has dropped from the cache after a change; `runtime/fills.py` fills it after a miss."""

from collections.abc import Sequence

import grpc

from runtime.errors import RefusedError, Unavailable
from trivet.cache.v1.cache_pb2 import InvalidateRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

INVALIDATE_SECONDS = 1.0
# Codes that say that the request itself is wrong: sending it again would be refused again.
REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED)


class Invalidations:
    """The cache service, as those use it who change what is made of their data."""

    def __init__(self, stub: CacheServiceStub) -> None:
        self._stub = stub

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
