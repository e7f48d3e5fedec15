"""Keeps a near cache valid. It sends ticks, which come back after every invalidation from before them."""

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
from trivet.client.errors import said_by
from trivet.client.near.near_cache import NOWHERE, NearCache, Position
from trivet.client.outage import Outage

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
SILENCE_SECONDS = 3.0
"""After so long without a word the visit is given up and another begun."""
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
NANOSECONDS = 1_000_000_000


class Watch:
    """One reader's side of CacheService.Watch. While it cannot be kept up, the near cache stops serving by itself."""

    def __init__(self, cache: CacheServiceStub, near: NearCache) -> None:
        self._cache = cache
        self._near = near
        self._owes_answer = asyncio.Event()
        self._pause = FIRST_PAUSE_SECONDS
        self._outage = Outage(
            logger, "the near cache is off: watching the cache service failed: %s", "the cache is watched again"
        )

    async def run(self) -> None:
        """Visit the cache service for ever, each time from where the last visit ended."""
        while True:
            try:
                await self._visit()
            except Exception as error:  # whatever it is, the next visit may work: nothing may end this task
                self._outage.begin(said_by(error) if isinstance(error, aio.AioRpcError) else repr(error))
            # Half of it at random, so that many readers do not come back at once.
            await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311  # nothing to guess
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    async def _visit(self) -> None:
        call: Any = self._cache.Watch()
        writing = asyncio.create_task(self._write(call))
        try:
            while not writing.done():
                async with asyncio.timeout(SILENCE_SECONDS):
                    answer = await call.read()
                if answer is aio.EOF:
                    break
                self._take(answer)
            await writing if writing.done() else None
        finally:
            call.cancel()
            writing.cancel()
            await asyncio.wait((writing,))  # which lets a cancel of this task through, as awaiting the other would not
            if not writing.cancelled():
                writing.exception()  # retrieve its exception, so that asyncio does not warn

    def _take(self, answer: pb.WatchResponse) -> None:
        match answer.WhichOneof("event"):
            case "tick_ns":
                self._near.echoed(answer.tick_ns / NANOSECONDS)
                self._pause = FIRST_PAUSE_SECONDS
                self._outage.end()
            case "invalidation":
                self._near.moved(_read(answer.invalidation.position), answer.invalidation.tags)
                self._owes_answer.set()
            case "reset":
                self._near.reset(_read(answer.reset))
                self._owes_answer.set()

    async def _write(self, call: Any) -> None:
        """Say what has been applied as soon as it has, and tick."""
        monotonic, near = self._near.monotonic, self._near
        ticked, told = monotonic(), near.applied
        resume = _written(told) if told != NOWHERE else None
        await call.write(pb.WatchRequest(tick_ns=_nanoseconds(ticked), resume_from=resume))
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, ticked + TICK_SECONDS - monotonic())):
                    await self._owes_answer.wait()
            self._owes_answer.clear()
            request, now = pb.WatchRequest(), monotonic()
            if now - ticked >= TICK_SECONDS:
                ticked, request.tick_ns = now, _nanoseconds(now)
            if near.applied != told:
                told = near.applied
                request.applied.CopyFrom(_written(told))
            if request.ByteSize():
                await call.write(request)


@asynccontextmanager
async def watching(cache: CacheServiceStub, near: NearCache) -> AsyncIterator[None]:
    """Keep a near cache alive inside."""
    running = asyncio.create_task(Watch(cache, near).run())
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def _nanoseconds(seconds: float) -> int:
    # Down, never up: a tick that came back must not seem to have left later than it did.
    return int(seconds * NANOSECONDS)


def _read(position: pb.Position) -> Position:
    return Position(position.epoch, position.offset)


def _written(position: Position) -> pb.Position:
    return pb.Position(epoch=position.epoch, offset=position.offset)
