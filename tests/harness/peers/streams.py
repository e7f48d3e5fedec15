"""One side of CacheService.StreamGet, for caches that a test makes up."""

from collections.abc import Awaitable, Callable

from trivet.cache.v1.cache_pb2 import StreamGetRequest, StreamGetResponse


class Stream:
    """Answers each batch as a function says; what that raises, reading raises."""

    def __init__(self, answer: Callable[[StreamGetRequest], Awaitable[StreamGetResponse]]) -> None:
        self._answer = answer
        self._asked = StreamGetRequest()
        self.is_cancelled = False

    async def write(self, request: StreamGetRequest) -> None:
        self._asked = request

    async def read(self) -> StreamGetResponse:
        return await self._answer(self._asked)

    def cancel(self) -> None:
        self.is_cancelled = True
