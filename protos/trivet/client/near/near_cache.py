"""A near cache: entries of the cache service in the memory of a process, and when they can be served.

It works by a lease: entries can be served until 0.5 s after the last tick that the cache service echoed, because all
invalidations from before that tick have been applied here. Source: Gray and Cheriton, Leases, SOSP 1989.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

SERVE_SECONDS = 0.5
"""How long a tick that came back lets the holder serve, counted from when it was sent."""
MAX_BYTES = 64 * 1024 * 1024
MAX_MOVED = 20_000
ENTRY_BYTES = 800
"""What an entry takes beside its value, measured with CPython 3.11: a record, dictionary places, its key and tags."""

UNSAFE = frozenset({"ignore_watch", "ignore_epoch", "serve_always"})
"""Protections that a test may switch off, to show what each of them is for."""


class Position(NamedTuple):
    """A place in the invalidation stream; offsets compare within one epoch only."""

    epoch: str
    offset: int


NOWHERE = Position("", 0)


class Held(NamedTuple):
    """One entry. `value` is None if the entry says that there is nothing; `expires` is on the monotonic clock."""

    value: object
    expires: float
    tags: tuple[str, ...]
    size: int


class NearCache:
    """Entries by key, the least recently used dropped first where they would take more than `max_bytes`.

    A near cache serves entries only while its Watch stream is alive. It keeps an entry if none of its tags has moved
    since it was read. It remembers the last `max_moved` tags that moved, and keeps no entry that was read before the
    oldest of them. Any thread can look entries up. Only the event loop's thread changes them. `unsafe` names the
    protections that a test turns off.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        max_moved: int = MAX_MOVED,
        monotonic: Callable[[], float] = time.monotonic,
        unsafe: Collection[str] = (),
    ) -> None:
        self.monotonic = monotonic
        self.serves_until = math.inf if "serve_always" in unsafe else -math.inf
        self.applied = NOWHERE
        self.bytes = self.hits = self.misses = self.refusals = self.evictions = self.invalidations = self.resets = 0
        self._max_bytes = max_bytes
        self._max_moved = max_moved
        self._ignores_watch = "ignore_watch" in unsafe
        self._ignores_epoch = "ignore_epoch" in unsafe
        self._entries: OrderedDict[str, Held] = OrderedDict()
        self._by_tag: dict[str, set[str]] = {}
        self._moved: OrderedDict[str, int] = OrderedDict()
        self._floor = 0
        # For the threads that look, and held for microseconds: nothing waits inside.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_live(self) -> bool:
        """Whether what is held may be served now."""
        return self.monotonic() < self.serves_until

    def look(self, key: str) -> Held | None:
        """Return what is held of a key if it may be served now, else None; of any thread.

        The request came before the lookup, so that later invalidations need not be in the answer.
        """
        now = self.monotonic()
        with self._lock:
            held = self._entries.get(key) if now < self.serves_until else None
            if held is None or now >= held.expires:
                return None
            self.hits += 1
            self._entries.move_to_end(key)
            return held

    def get(self, key: str) -> Held | None:
        """Return what `look` does, and count a miss."""
        if (held := self.look(key)) is None:
            self.misses += 1
        return held

    def keep(
        self, key: str, value: object, *, size: int, position: Position, tags: Sequence[str], expires: float
    ) -> bool:
        """Hold an entry that was read from the cache service at a position; return whether it may be held.

        `size` is about how many bytes the value takes here.
        """
        size += ENTRY_BYTES
        with self._lock:
            self._drop(key)
            if not self._is_current(position, tags) or size > self._max_bytes:
                self.refusals += 1
                return False
            self._entries[key] = Held(value, expires, tuple(tags), size)
            self.bytes += size
            for tag in tags:
                self._by_tag.setdefault(tag, set()).add(key)
            while self.bytes > self._max_bytes:
                self._drop(next(iter(self._entries)))
                self.evictions += 1
        return True

    def moved(self, position: Position, tags: Iterable[str]) -> None:
        """Apply an invalidation: drop what carries one of the tags, and keep nothing of them that is older."""
        self.applied = position
        self.invalidations += 1
        if self._ignores_watch:
            return
        for tag in tags:
            with self._lock:
                for key in tuple(self._by_tag.get(tag, ())):
                    self._drop(key)
            self._moved[tag] = position.offset
            self._moved.move_to_end(tag)
        while len(self._moved) > self._max_moved:
            self._floor = max(self._floor, self._moved.popitem(last=False)[1])

    def reset(self, position: Position) -> None:
        """Drop everything, and keep nothing that was read before this position."""
        self.applied = position
        self.resets += 1
        if self._ignores_epoch or self._ignores_watch:
            return
        with self._lock:
            self._entries.clear()
            self._by_tag.clear()
            self.bytes = 0
        self._moved.clear()
        self._floor = position.offset

    def echoed(self, tick: float) -> None:
        """Take note that all that happened before a tick, sent at this monotonic time, has been applied."""
        self.serves_until = max(self.serves_until, tick + SERVE_SECONDS)

    def _is_current(self, position: Position, tags: Iterable[str]) -> bool:
        if self._ignores_watch or self._ignores_epoch:
            return True
        if position.epoch != self.applied.epoch or position.offset < self._floor:
            return False
        moved = self._moved
        return not moved or all(moved.get(tag, 0) <= position.offset for tag in tags)

    def _drop(self, key: str) -> None:
        held = self._entries.pop(key, None)
        if held is None:
            return
        self.bytes -= held.size
        for tag in held.tags:
            keys = self._by_tag[tag]
            keys.discard(key)
            if not keys:
                del self._by_tag[tag]
