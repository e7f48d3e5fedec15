"""The Watch streams of this process. One read of the invalidation stream serves all of them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from prometheus_client import Gauge

from runtime.background.tasks import Tasks
from runtime.errors import ResourceExhausted, Unavailable
from services.cache.invalidation.invalidation_barrier import DRAIN_SECONDS, InvalidationBarrier
from services.cache.invalidation.leases import Leases
from services.cache.invalidation.positions import Invalidated, StreamPosition, format_applied
from services.cache.invalidation.readers import Reader, Tick
from services.cache.invalidation.stream import Stream, Tail

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_READERS = 256
RETRY_SECONDS = 0.1

readers_now = Gauge("trivet_cache_readers", "Near caches that watch this process.")


class Watchers:
    """The readers of this process.

    Requests for a read of the stream that arrive during a read share the next one. So each read finds all events from
    before its requests. Each reader gets the events in the order of the stream.
    """

    def __init__(self, stream: Stream, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = monotonic
        self._leases = Leases()
        self._barrier = InvalidationBarrier(stream, self._leases, monotonic)
        self._readers: dict[int, Reader] = {}
        self._joining: list[tuple[Reader, StreamPosition | None]] = []
        self._known: StreamPosition | None = None
        self._last_reported: StreamPosition | None = None
        self._numbers = 0
        self._is_read_requested = False
        self._newest_offset = 0
        self._reading: asyncio.Task[None] | None = None
        self._tasks = Tasks("cache.watchers")
        self._is_closed = False
        self._logged_error = ""

    def join(self, caller: str) -> Reader:
        """Return a new reader. Call `begin` next, and `leave` at the end.

        Raises ResourceExhausted for too many readers, and Unavailable if the process is about to stop.
        """
        if self._is_closed:
            raise Unavailable("DRAINING", "this process is about to stop: reconnect to reach another one")
        if len(self._readers) >= MAX_READERS:
            raise ResourceExhausted(
                "TOO_MANY_READERS", f"this process already has {MAX_READERS} near caches, its limit: retry later"
            )
        self._numbers += 1
        reader = self._readers[self._numbers] = Reader(self._numbers, caller)
        self._leases.join(reader.number)
        readers_now.inc()
        return reader

    def begin(self, reader: Reader, resume_from: StreamPosition | None) -> None:
        """Send a reader the events since its position, or a reset if they are not available."""
        self._joining.append((reader, resume_from))
        self._request_read()

    def leave(self, reader: Reader) -> None:
        """Remove a reader whose stream has ended. It can serve until its lease ends."""
        reader.close()
        del self._readers[reader.number]
        self._joining = [(other, since) for other, since in self._joining if other is not reader]
        self._leases.leave(reader.number)
        readers_now.dec()
        self._barrier.notify()

    def tick(self, reader: Reader, tick_ns: int) -> None:
        """Echo the tick after all events from before this call. If Redis fails, it is never echoed."""
        tick = Tick(tick_ns, self._now())
        self._leases.record_tick(reader.number, tick.at)
        reader.tick(tick)
        self._request_read()

    def applied(self, reader: Reader, position: StreamPosition) -> None:
        """Record that a reader has applied all invalidations up to a position."""
        self._leases.record_applied(reader.number, position)
        self._barrier.notify()
        # Calls of Invalidate at other processes wait for this report.
        if self._leases.applied(self._now()) == self._known != self._last_reported:
            self._request_read()

    def notify_event(self, offset: int) -> None:
        """Read the stream at once, because another process has appended the event with this offset."""
        self._newest_offset = offset
        if self._readers and self._reading is None and self._is_behind():
            self._request_read()

    def close(self) -> None:
        """End all streams and accept no new ones, because the process shuts down."""
        self._is_closed = True
        for reader in self._readers.values():
            reader.close()

    async def confirmed(self, invalidated: Invalidated, *, within: float) -> bool:
        """Send the invalidation to all readers. Return whether none can serve the entries, after `within` s at most."""
        if self._readers:
            self._request_read()
        return await self._barrier.confirmed(invalidated, within=within)

    def _is_behind(self) -> bool:
        return self._known is None or self._known.offset < self._newest_offset

    def _request_read(self) -> None:
        self._is_read_requested = True
        if self._reading is None:
            self._reading = self._tasks.start(self._read_while_requested())

    async def _read_while_requested(self) -> None:
        try:
            while self._is_read_requested:
                self._is_read_requested = False
                newest = self._newest_offset
                if not await self._read():
                    if self._joining:
                        await asyncio.sleep(RETRY_SECONDS)
                        self._is_read_requested = True
                elif self._newest_offset != newest and self._is_behind():  # an event was appended during the read
                    self._is_read_requested = True
        finally:
            self._reading = None

    async def _result_of(self, reading: Awaitable[T | None]) -> T | None:
        """Return the result of a read of the stream, None if it raises."""
        try:
            return await reading
        except Exception as error:  # for example a malformed response: the next one can be valid
            if self._logged_error != (logged := f"{type(error).__name__}: {error}"):
                self._logged_error = logged
                logger.exception("cannot read the invalidation stream")
            return None

    async def drain(self) -> None:
        """Wait for a running read. Call `close` before, so that no other begins."""
        await self._tasks.drain(DRAIN_SECONDS)
        await self._barrier.drain()

    async def _read(self) -> bool:
        """Read the stream, send the new events to all readers, and echo their ticks. Return False if Redis fails."""
        ticks = [(reader, reader.take_ticks()) for reader in self._readers.values()]
        joining, self._joining = self._joining, []
        now = self._now()
        applied = self._leases.applied(now)
        report = format_applied(applied) if self._leases.is_any_serving(now) else ""
        has_listeners = any(reader.has_begun for reader in self._readers.values())
        tail = await self._result_of(self._stream.read_tail(self._known if has_listeners else None, report))
        if tail is not None:
            self._last_reported = applied
            self._send(tail)
            for reader, resume_from in joining:
                await self._begin(reader, resume_from, tail.position)
        else:
            self._joining = joining + self._joining
        for reader, waiting in ticks:
            self._echo(reader, waiting, tail)
        self._barrier.notify()
        return tail is not None

    def _send(self, tail: Tail) -> None:
        reason = "gap" if self._known is not None and self._known.epoch == tail.position.epoch else "epoch"
        self._known = tail.position
        for reader in self._readers.values():
            if not reader.has_begun:
                continue
            if tail.events is None:
                reader.reset(tail.position, reason)
            for event in tail.events or ():
                reader.queue(event)

    async def _begin(self, reader: Reader, resume_from: StreamPosition | None, present: StreamPosition) -> None:
        missed = None
        if resume_from is not None:
            missed = await self._result_of(self._stream.between(resume_from, present))
        if reader.number not in self._readers:  # the reader has left meanwhile
            return
        reader.has_begun = True
        if missed is None or resume_from is None:
            reader.reset(present, "first" if resume_from is None else "unknown-position")
            return
        self._leases.record_applied(reader.number, resume_from)
        for event in missed:
            reader.queue(event)

    def _echo(self, reader: Reader, ticks: Sequence[Tick], tail: Tail | None) -> None:
        if not ticks:
            return
        if tail is not None:
            for tick in ticks:
                reader.echo(tick, tail.position)
        self._leases.settle_ticks(reader.number, ticks[-1].at, echoed=tail is not None)
