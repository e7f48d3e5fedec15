"""One near cache at the other end of a Watch: what it is still to be told, in order."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prometheus_client import Counter

from services.cache import namespaces
from services.cache.invalidation.positions import Event, Position

MAX_WAITING = 1_000
"""How much one reader may be behind: whoever does not read is told to drop everything instead."""

resets = Counter("trivet_cache_resets_total", "Readers told to drop everything, by why.", ["reason"])


@dataclass(frozen=True, slots=True)
class Echo:
    """All that had happened when this tick came in has been told."""

    tick_ns: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Drop everything and go on from here."""

    position: Position


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick and when it came in."""

    tick_ns: int
    at: float


WatchEvent = Echo | Event | Reset


class Reader:
    """A reader, by a number of this process's own. `has_begun` once it has been told where it stands."""

    def __init__(self, number: int, caller: str) -> None:
        self.number = number
        self.has_begun = False
        self._caller = caller
        self._ticks: deque[Tick] = deque(maxlen=MAX_WAITING)
        self._waiting: deque[WatchEvent] = deque()
        self._woken = asyncio.Event()
        self._is_closed = False

    def tick(self, tick: Tick) -> None:
        """Keep a tick until the stream has been read. Of very many the oldest are never echoed."""
        self._ticks.append(tick)

    def take_ticks(self) -> list[Tick]:
        """Return the ticks that wait, and keep them no longer."""
        taken = list(self._ticks)
        self._ticks.clear()
        return taken

    def echo(self, tick: Tick, present: Position) -> None:
        """Have a tick echoed behind everything told so far."""
        self._tell(Echo(tick.tick_ns), present)

    def tell(self, event: Event) -> None:
        """Have an event told, with those of its tags that this reader may know of."""
        tags = tuple(tag for tag in event.tags if namespaces.may_know(tag, self._caller))
        self._tell(Event(event.position, tags), event.position)

    def reset(self, position: Position, reason: str) -> None:
        """Have everything dropped, in place of what still waits to be told."""
        resets.labels(reason).inc()
        self._waiting.clear()
        self._append(Reset(position))

    def _tell(self, event: WatchEvent, present: Position) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._append(event)
        else:
            self.reset(present, "slow")

    def _append(self, event: WatchEvent) -> None:
        self._waiting.append(event)
        self._woken.set()

    def close(self) -> None:
        """End what `told` answers."""
        self._is_closed = True
        self._woken.set()

    async def told(self) -> AsyncIterator[WatchEvent]:
        """Yield what there is to tell, as it comes, until the reader is closed."""
        while not self._is_closed:
            while self._waiting and not self._is_closed:
                yield self._waiting.popleft()
            self._woken.clear()
            if not self._waiting and not self._is_closed:
                await self._woken.wait()
