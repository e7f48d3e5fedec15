"""The readers of the stream: the queue of events for each near cache with a Watch stream."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prometheus_client import Counter

from services.cache import namespaces
from services.cache.invalidation.positions import Event, StreamPosition

MAX_QUEUED = 1_000
"""The maximum length of a reader's queue. A reader that is too slow gets a reset instead."""

resets = Counter("trivet_cache_resets_total", "Resets sent to readers, by reason.", ["reason"])


@dataclass(frozen=True, slots=True)
class Echo:
    """A tick that is sent back, after all events from before it."""

    tick_ns: int


@dataclass(frozen=True, slots=True)
class Reset:
    """The order to drop all entries and continue from a position."""

    position: StreamPosition


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick, and the time of its arrival."""

    tick_ns: int
    at: float


WatchEvent = Echo | Event | Reset


class Reader:
    """A reader, with a number that is unique in this process. `has_begun` is True once it has its first position."""

    def __init__(self, number: int, caller: str) -> None:
        self.number = number
        self.has_begun = False
        self._caller = caller
        self._ticks: deque[Tick] = deque(maxlen=MAX_QUEUED)
        self._queue: deque[WatchEvent] = deque()
        self._woken = asyncio.Event()
        self._is_closed = False

    def tick(self, tick: Tick) -> None:
        """Keep a tick until the stream has been read. At most 1,000 are kept. Older ones are never echoed."""
        self._ticks.append(tick)

    def take_ticks(self) -> list[Tick]:
        """Return the kept ticks, and keep them no longer."""
        taken = list(self._ticks)
        self._ticks.clear()
        return taken

    def echo(self, tick: Tick, present: StreamPosition) -> None:
        """Queue the echo of a tick behind all queued events."""
        self._queue_or_reset(Echo(tick.tick_ns), present)

    def queue(self, event: Event) -> None:
        """Queue an event with the tags that this reader can see."""
        tags = tuple(tag for tag in event.tags if namespaces.can_see(tag, self._caller))
        self._queue_or_reset(Event(event.position, tags), event.position)

    def reset(self, position: StreamPosition, reason: str) -> None:
        """Replace the queue by a reset: the reader drops all its entries."""
        resets.labels(reason).inc()
        self._queue.clear()
        self._put(Reset(position))

    def _queue_or_reset(self, event: WatchEvent, present: StreamPosition) -> None:
        if len(self._queue) < MAX_QUEUED:
            self._put(event)
        else:
            self.reset(present, "slow")

    def _put(self, event: WatchEvent) -> None:
        self._queue.append(event)
        self._woken.set()

    def close(self) -> None:
        """End the iteration of `events`."""
        self._is_closed = True
        self._woken.set()

    async def events(self) -> AsyncIterator[WatchEvent]:
        """Yield the queued events as they come, until the reader is closed."""
        while not self._is_closed:
            while self._queue and not self._is_closed:
                yield self._queue.popleft()
            self._woken.clear()
            if not self._queue and not self._is_closed:
                await self._woken.wait()
