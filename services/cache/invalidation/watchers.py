"""Near caches kept honest: the stream's end read once for all readers of this process, and who has applied what."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from prometheus_client import Gauge

from runtime.errors import ResourceExhausted, Unavailable
from runtime.tasks import Tasks
from services.cache.invalidation.invalidation_barrier import DRAIN_SECONDS, InvalidationBarrier
from services.cache.invalidation.leases import Leases
from services.cache.invalidation.positions import Invalidated, Position, format_applied
from services.cache.invalidation.readers import Reader, Tick
from services.cache.invalidation.stream import End, Stream

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_READERS = 256
RETRY_SECONDS = 0.1

readers_now = Gauge("trivet_cache_readers", "Near caches that watch this process.")


class Watchers:
    """The readers of this process.

    The stream is read while anybody asks for it; those who ask while a reading is under way share the next one, so that
    what they are told of has happened before it. Each reader is told in the stream's order.
    """

    def __init__(self, stream: Stream, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = monotonic
        self._leases = Leases()
        self._barrier = InvalidationBarrier(stream, self._leases, monotonic)
        self._readers: dict[int, Reader] = {}
        self._joining: list[tuple[Reader, Position | None]] = []
        self._known: Position | None = None
        self._last_told: Position | None = None
        self._numbers = 0
        self._is_asked = False
        self._heard = 0
        self._reading: asyncio.Task[None] | None = None
        self._tasks = Tasks("cache.watchers")
        self._is_closed = False
        self._told = ""

    def join(self, caller: str) -> Reader:
        """Return a new reader of a service's, which is to begin and to leave. Raises ResourceExhausted, Unavailable."""
        if self._is_closed:
            raise Unavailable("DRAINING", "this process is about to end: watch another")
        if len(self._readers) >= MAX_READERS:
            raise ResourceExhausted("TOO_MANY_READERS", f"{MAX_READERS} near caches watch this process already")
        self._numbers += 1
        reader = self._readers[self._numbers] = Reader(self._numbers, caller)
        self._leases.join(reader.number)
        readers_now.inc()
        return reader

    def begin(self, reader: Reader, resume_from: Position | None) -> None:
        """Tell a reader where it stands: what it has missed since an earlier visit, or to drop everything."""
        self._joining.append((reader, resume_from))
        self._ask()

    def leave(self, reader: Reader) -> None:
        """A reader's stream has ended. It may be serving for as long as its last echo lets it."""
        reader.close()
        del self._readers[reader.number]
        self._joining = [(other, since) for other, since in self._joining if other is not reader]
        self._leases.leave(reader.number)
        readers_now.dec()
        self._barrier.notify()

    def tick(self, reader: Reader, tick_ns: int) -> None:
        """Echo this once all that has happened by now has been told; never, if Redis cannot be asked."""
        tick = Tick(tick_ns, self._now())
        self._leases.ask(reader.number, tick.at)
        reader.tick(tick)
        self._ask()

    def applied(self, reader: Reader, position: Position) -> None:
        """A reader has dropped all that was invalidated up to a position."""
        self._leases.apply(reader.number, position)
        self._barrier.notify()
        # Invalidations made through other processes wait to hear it.
        if self._leases.applied(self._now()) == self._known != self._last_told:
            self._ask()

    def hear(self, offset: int) -> None:
        """Somebody has appended to the stream: have it told at once, if it is not known yet."""
        self._heard = offset
        if self._readers and self._reading is None and self._is_behind():
            self._ask()

    def close(self) -> None:
        """End every stream, and take no more: the process drains."""
        self._is_closed = True
        for reader in self._readers.values():
            reader.close()

    async def confirmed(self, invalidated: Invalidated, *, within: float) -> bool:
        """Have what was moved told at once, and return whether nobody can serve it any more, in `within` seconds."""
        if self._readers:
            self._ask()
        return await self._barrier.confirmed(invalidated, within=within)

    def _is_behind(self) -> bool:
        return self._known is None or self._known.offset < self._heard

    def _ask(self) -> None:
        self._is_asked = True
        if self._reading is None:
            self._reading = self._tasks.start(self._read_while_asked())

    async def _read_while_asked(self) -> None:
        try:
            while self._is_asked:
                self._is_asked = False
                heard = self._heard
                if not await self._read():
                    if self._joining:
                        await asyncio.sleep(RETRY_SECONDS)
                        self._is_asked = True
                elif self._heard != heard and self._is_behind():  # appended while the end was being read
                    self._is_asked = True
        finally:
            self._reading = None

    async def _known_of(self, reading: Awaitable[T | None]) -> T | None:
        """Return what a reading of the stream finds. One that raises finds nothing, as without Redis."""
        try:
            return await reading
        except Exception as error:  # an answer of no shape, say: the next one may have one
            if self._told != (told := f"{type(error).__name__}: {error}"):
                self._told = told
                logger.exception("reading the invalidation stream failed")
            return None

    async def drain(self) -> None:
        """Wait for a reading under way; `close` comes first, so that no other begins."""
        await self._tasks.drain(DRAIN_SECONDS)
        await self._barrier.drain()

    async def _read(self) -> bool:
        """Tell every reader what has happened by now, and echo the ticks that came in before; False without Redis."""
        ticks = [(reader, reader.take_ticks()) for reader in self._readers.values()]
        joining, self._joining = self._joining, []
        now = self._now()
        applied = self._leases.applied(now)
        told = format_applied(applied) if self._leases.is_anyone_serving(now) else ""
        has_listeners = any(reader.has_begun for reader in self._readers.values())
        end = await self._known_of(self._stream.end(self._known if has_listeners else None, told))
        if end is not None:
            self._last_told = applied
            self._tell(end)
            for reader, resume_from in joining:
                await self._begin(reader, resume_from, end.position)
        else:
            self._joining = joining + self._joining
        for reader, waiting in ticks:
            self._echo(reader, waiting, end)
        self._barrier.notify()
        return end is not None

    def _tell(self, end: End) -> None:
        reason = "gap" if self._known is not None and self._known.epoch == end.position.epoch else "epoch"
        self._known = end.position
        for reader in self._readers.values():
            if not reader.has_begun:
                continue
            if end.events is None:
                reader.reset(end.position, reason)
            for event in end.events or ():
                reader.tell(event)

    async def _begin(self, reader: Reader, resume_from: Position | None, present: Position) -> None:
        missed = None
        if resume_from is not None:
            missed = await self._known_of(self._stream.between(resume_from, present))
        if reader.number not in self._readers:  # it has left meanwhile
            return
        reader.has_begun = True
        if missed is None or resume_from is None:
            reader.reset(present, "first" if resume_from is None else "unknown-position")
            return
        self._leases.apply(reader.number, resume_from)
        for event in missed:
            reader.tell(event)

    def _echo(self, reader: Reader, ticks: Sequence[Tick], end: End | None) -> None:
        if not ticks:
            return
        if end is not None:
            for tick in ticks:
                reader.echo(tick, end.position)
        self._leases.settle(reader.number, ticks[-1].at, echoed=end is not None)
