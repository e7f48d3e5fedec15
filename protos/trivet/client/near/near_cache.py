"""A near cache: entries of the cache service in the memory of a process, and the rule of when they can be served.

Entries can be served until 0.5 s after the last tick that the cache service echoed, because all invalidations from
before that tick have been applied here. Source: Gray and Cheriton, Leases, SOSP 1989.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

SERVE_SECONDS = 0.5
"""How long entries can be served after an echoed tick, counted from the time at which the tick was sent."""
MAX_BYTES = 64 * 1024 * 1024
MAX_INVALIDATED_TAGS = 20_000
ENTRY_BYTES = 800
"""What an entry takes beside its value, measured with CPython 3.11: a record, dictionary places, its key and tags."""

UNSAFE = frozenset({"ignore_watch", "ignore_epoch", "serve_always"})
"""Protections that a test can switch off, to show the damage without them."""


class StreamPosition(NamedTuple):
    """A position in the invalidation stream. Offsets can be compared within one epoch only."""

    epoch: str
    offset: int


NO_POSITION = StreamPosition("", 0)


class NearEntry(NamedTuple):
    """One entry. `value` is None if the owner has no value for the key. `expires` is on the monotonic clock."""

    value: object
    expires: float
    tags: tuple[str, ...]
    size: int


class NearCache:
    """Entries by key. Above `max_bytes`, the least recently used entry is evicted first.

    A near cache serves entries only while its Watch stream is alive. It accepts an entry if none of its tags was
    invalidated since it was read. It remembers the last `max_invalidated_tags` invalidated tags, and accepts no entry
    that was read before the oldest of them. `peek` can be called on any thread, the other methods only on the event
    loop's thread. `unsafe` names the protections that a test switches off.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        max_invalidated_tags: int = MAX_INVALIDATED_TAGS,
        monotonic: Callable[[], float] = time.monotonic,
        unsafe: Collection[str] = (),
    ) -> None:
        self.monotonic = monotonic
        self.serves_until = math.inf if "serve_always" in unsafe else -math.inf
        self.applied = NO_POSITION
        self.bytes = self.hits = self.misses = self.refusals = self.evictions = self.invalidations = self.resets = 0
        self._max_bytes = max_bytes
        self._max_invalidated_tags = max_invalidated_tags
        self._ignores_watch = "ignore_watch" in unsafe
        self._ignores_epoch = "ignore_epoch" in unsafe
        self._entries: OrderedDict[str, NearEntry] = OrderedDict()
        self._keys_by_tag: dict[str, set[str]] = {}
        self._invalidated: OrderedDict[str, int] = OrderedDict()
        self._oldest_accepted = 0
        # Other threads call `peek`. The lock is held for microseconds, and no code waits while it holds it.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_live(self) -> bool:
        """Whether entries can be served now."""
        return self.monotonic() < self.serves_until

    def peek(self, key: str) -> NearEntry | None:
        """Return the entry of a key, or None if there is none that can be served now. Can be called on any thread.

        The request came before this call, so the answer need not show later invalidations.
        """
        now = self.monotonic()
        with self._lock:
            entry = self._entries.get(key) if now < self.serves_until else None
            if entry is None or now >= entry.expires:
                return None
            self.hits += 1
            self._entries.move_to_end(key)
            return entry

    def get(self, key: str) -> NearEntry | None:
        """Return what `peek` returns, and count a miss."""
        if (entry := self.peek(key)) is None:
            self.misses += 1
        return entry

    def put(
        self, key: str, value: object, *, size: int, position: StreamPosition, tags: Sequence[str], expires: float
    ) -> bool:
        """Store an entry that was read from the cache service at a position. Returns whether it was accepted.

        `size` is about the number of bytes that the value takes in this process.
        """
        size += ENTRY_BYTES
        with self._lock:
            self._drop(key)
            if not self._is_current(position, tags) or size > self._max_bytes:
                self.refusals += 1
                return False
            self._entries[key] = NearEntry(value, expires, tuple(tags), size)
            self.bytes += size
            for tag in tags:
                self._keys_by_tag.setdefault(tag, set()).add(key)
            while self.bytes > self._max_bytes:
                self._drop(next(iter(self._entries)))
                self.evictions += 1
        return True

    def invalidate(self, position: StreamPosition, tags: Iterable[str]) -> None:
        """Drop the entries with one of the tags, and accept none with these tags that were read before `position`."""
        self.applied = position
        self.invalidations += 1
        if self._ignores_watch:
            return
        for tag in tags:
            with self._lock:
                for key in tuple(self._keys_by_tag.get(tag, ())):
                    self._drop(key)
            self._invalidated[tag] = position.offset
            self._invalidated.move_to_end(tag)
        while len(self._invalidated) > self._max_invalidated_tags:
            self._oldest_accepted = max(self._oldest_accepted, self._invalidated.popitem(last=False)[1])

    def reset(self, position: StreamPosition) -> None:
        """Drop all entries, and accept none that were read before `position`."""
        self.applied = position
        self.resets += 1
        if self._ignores_epoch or self._ignores_watch:
            return
        with self._lock:
            self._entries.clear()
            self._keys_by_tag.clear()
            self.bytes = 0
        self._invalidated.clear()
        self._oldest_accepted = position.offset

    def tick_echoed(self, sent_at: float) -> None:
        """Record that all invalidations from before a tick are applied. `sent_at` is the tick's monotonic time."""
        self.serves_until = max(self.serves_until, sent_at + SERVE_SECONDS)

    def _is_current(self, position: StreamPosition, tags: Iterable[str]) -> bool:
        if self._ignores_watch or self._ignores_epoch:
            return True
        if position.epoch != self.applied.epoch or position.offset < self._oldest_accepted:
            return False
        invalidated = self._invalidated
        return not invalidated or all(invalidated.get(tag, 0) <= position.offset for tag in tags)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.bytes -= entry.size
        for tag in entry.tags:
            keys = self._keys_by_tag[tag]
            keys.discard(key)
            if not keys:
                del self._keys_by_tag[tag]
