"""Keeps a near cache valid: applies invalidations, and sends ticks. The cache service echoes a tick after all
invalidations from before it."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from grpc import aio

from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client.errors import log_text
from trivet.client.near.near_cache import NO_POSITION, NearCache, StreamPosition
from trivet.client.outage import Outage

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
SILENCE_SECONDS = 3.0
"""A stream without a message for this time is replaced by a new one."""
MIN_BACKOFF_SECONDS = 0.05
MAX_BACKOFF_SECONDS = 1.0
NANOSECONDS = 1_000_000_000


class Watch:
    """The client of CacheService.Watch. While the stream is down, the near cache serves no entries."""

    def __init__(self, cache: CacheServiceStub, near: NearCache) -> None:
        self._cache = cache
        self._near = near
        self._must_confirm = asyncio.Event()
        self._backoff = MIN_BACKOFF_SECONDS
        self._outage = Outage(
            logger, "the near cache is off: watching the cache service failed: %s", "the cache is watched again"
        )

    async def run(self) -> None:
        """Watch until cancelled. A new stream resumes at the position that the last one reached."""
        while True:
            try:
                await self._watch_once()
            except Exception as error:  # no error ends this task: the next stream can succeed
                self._outage.begin(log_text(error) if isinstance(error, aio.AioRpcError) else repr(error))
            # Random by half, so that many readers do not reconnect at the same moment.
            await asyncio.sleep(self._backoff * random.uniform(0.5, 1))  # noqa: S311  # not a secret
            self._backoff = min(2 * self._backoff, MAX_BACKOFF_SECONDS)

    async def _watch_once(self) -> None:
        call: Any = self._cache.Watch()
        writing = asyncio.create_task(self._write(call))
        try:
            while not writing.done():
                async with asyncio.timeout(SILENCE_SECONDS):
                    answer = await call.read()
                if answer is aio.EOF:
                    break
                self._apply(answer)
            await writing if writing.done() else None
        finally:
            call.cancel()
            writing.cancel()
            await asyncio.wait((writing,))  # `await writing` would hide a cancellation of this task
            if not writing.cancelled():
                writing.exception()  # retrieve its exception, so that asyncio does not warn

    def _apply(self, answer: pb.WatchResponse) -> None:
        match answer.WhichOneof("event"):
            case "tick_ns":
                self._near.tick_echoed(answer.tick_ns / NANOSECONDS)
                self._backoff = MIN_BACKOFF_SECONDS
                self._outage.end()
            case "invalidation":
                self._near.invalidate(_decoded(answer.invalidation.position), answer.invalidation.tags)
                self._must_confirm.set()
            case "reset":
                self._near.reset(_decoded(answer.reset))
                self._must_confirm.set()

    async def _write(self, call: Any) -> None:
        """Send ticks, and confirm each applied position at once."""
        monotonic, near = self._near.monotonic, self._near
        ticked, confirmed = monotonic(), near.applied
        resume = _encoded(confirmed) if confirmed != NO_POSITION else None
        await call.write(pb.WatchRequest(tick_ns=_nanoseconds(ticked), resume_from=resume))
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, ticked + TICK_SECONDS - monotonic())):
                    await self._must_confirm.wait()
            self._must_confirm.clear()
            request, now = pb.WatchRequest(), monotonic()
            if now - ticked >= TICK_SECONDS:
                ticked, request.tick_ns = now, _nanoseconds(now)
            if near.applied != confirmed:
                confirmed = near.applied
                request.applied.CopyFrom(_encoded(confirmed))
            if request.ByteSize():
                await call.write(request)


@asynccontextmanager
async def watching(cache: CacheServiceStub, near: NearCache) -> AsyncIterator[None]:
    """Watch inside the block, so that the near cache serves entries there."""
    running = asyncio.create_task(Watch(cache, near).run())
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def _nanoseconds(seconds: float) -> int:
    # Rounded down: an echoed tick must not seem to be sent later than it was.
    return int(seconds * NANOSECONDS)


def _decoded(position: pb.Position) -> StreamPosition:
    return StreamPosition(position.epoch, position.offset)


def _encoded(position: StreamPosition) -> pb.Position:
    return pb.Position(epoch=position.epoch, offset=position.offset)
