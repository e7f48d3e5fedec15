"""The invalidation stream in Redis, and the reports of the cache processes on their readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.cache.invalidation.positions import Event, StreamPosition, parse_applied, parse_reports
from services.cache.redis.scripts import FORGET, RANGE, REPORTS, TAIL
from services.cache.redis.store import Store

MAX_EVENTS = 1_000
"""The maximum number of events that a reader gets one by one. A reader that is further behind gets a reset."""

PAGE_SIZE = 100
"""The number of events per read. Events can be large, and the time-out is short."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The present position, and the events since the known position. None if they are not available."""

    position: StreamPosition
    events: Sequence[Event] | None


class Stream:
    """The stream, for the cache process of this name. If Redis fails, no method raises."""

    def __init__(self, store: Store, process: str) -> None:
        self._store = store
        self._keys = (store.stream, store.watchers)
        self.process = process
        self._read_number = 0

    async def read_tail(self, known: StreamPosition | None, report: str) -> Tail | None:
        """Write the report on this process's readers, and read the stream behind the known position.

        An empty report means that no reader can be serving. Returns None if Redis fails or accepts no writes, within
        80 ms.
        """
        since = known or StreamPosition("", 0)
        self._read_number += 1
        args = (self.process, report, since.epoch, since.offset, PAGE_SIZE, self._read_number)
        answer = await self._store.read(TAIL, self._keys, *args)
        if answer is None:
            return None
        position = StreamPosition(answer[0].decode(), answer[1])
        return Tail(position, await self._rest(self._events(position.epoch, answer[2]), position))

    async def between(self, since: StreamPosition, until: StreamPosition) -> Sequence[Event] | None:
        """Return the events after one position up to another, None if they are not available or Redis fails."""
        if since.epoch != until.epoch:
            return None
        return await self._rest(await self._page(since, until), until)

    async def _rest(self, events: list[Event] | None, until: StreamPosition) -> Sequence[Event] | None:
        """Return the events and the following ones up to a position, read page by page."""
        while events and events[-1].position.offset < until.offset:
            more = await self._page(events[-1].position, until)
            if not more or len(events) + len(more) > MAX_EVENTS:
                return None
            events += more
        return events

    async def _page(self, since: StreamPosition, until: StreamPosition) -> list[Event] | None:
        args = (since.epoch, since.offset, until.offset, PAGE_SIZE)
        return self._events(since.epoch, await self._store.read(RANGE, (self._store.stream,), *args))

    async def processes_behind(self, position: StreamPosition, processes: Mapping[str, str]) -> Mapping[str, str]:
        """Return the processes whose readers can be behind the position. If Redis fails, that is all of them."""
        answer = await self._store.read(REPORTS, self._keys)
        if answer is None:
            return processes
        now = parse_reports(answer)
        # A missing report can be lost. Only a new report shows that the process is not behind.
        return {
            name: report
            for name, report in processes.items()
            if name not in now or not position.is_reached_by(parse_applied(now[name]))
        }

    async def forget(self, processes: Mapping[str, str]) -> None:
        """Delete these reports if they have not changed, because the leases of their readers have ended."""
        pairs = [word for pair in processes.items() for word in pair]
        await self._store.read(FORGET, self._keys, *pairs)

    def _events(self, epoch: str, answer: Sequence[tuple[int, bytes]] | None) -> list[Event] | None:
        if answer is None:
            return None
        prefix = self._store.tag_prefix
        return [
            Event(StreamPosition(epoch, offset), [tag.removeprefix(prefix) for tag in tags.decode().split()])
            for offset, tags in answer
        ]
