"""The leases of readers: how long each can still serve an invalidated entry.

A reader can serve entries for LEASE_SECONDS after it sent the last tick that was echoed. The tick arrived here later.
So a lease from its arrival is an upper bound. All times are of one monotonic clock, in seconds.
"""

from dataclasses import dataclass

from services.cache.invalidation.positions import StreamPosition

LEASE_SECONDS = 0.5
NEVER = float("-inf")


@dataclass(slots=True)
class _Lease:
    """`granted` is the arrival of the last echoed tick, and `pending` that of the last tick that can still be echoed.

    `applied` is the position up to which the reader has applied all invalidations, None if it is unknown.
    """

    applied: StreamPosition | None = None
    granted: float = NEVER
    pending: float = NEVER
    has_left: bool = False

    @property
    def end(self) -> float:
        return max(self.granted, self.pending) + LEASE_SECONDS


class Leases:
    """The lease and the applied position of each reader, by the reader's number."""

    def __init__(self) -> None:
        self._leases: dict[int, _Lease] = {}

    def join(self, reader: int) -> None:
        """Register a new reader."""
        self._leases[reader] = _Lease()

    def leave(self, reader: int) -> None:
        """Mark a reader whose stream has ended. It can serve until its lease ends."""
        lease = self._leases[reader]
        lease.has_left, lease.pending = True, NEVER

    def record_applied(self, reader: int, position: StreamPosition) -> None:
        """Record that a reader has applied all invalidations up to a position."""
        self._leases[reader].applied = position

    def record_tick(self, reader: int, at: float) -> None:
        """Record a tick that arrived at the time `at` and can be echoed from now on."""
        self._leases[reader].pending = at

    def settle_ticks(self, reader: int, at: float, *, echoed: bool) -> None:
        """Record that the reader's ticks up to the time `at` have been echoed, or never will be."""
        lease = self._leases.get(reader)
        if lease is None or lease.has_left:
            return
        if echoed:
            lease.granted = max(lease.granted, at)
        if lease.pending <= at:
            lease.pending = NEVER

    def may_serve_until(self, position: StreamPosition, invalidated_at: float, *, all_known: bool) -> float:
        """Return the latest time at which a reader can serve an entry that was invalidated by `invalidated_at`.

        An echo is sent after all invalidations that the preceding read of the stream found. So a reader that serves
        longer than a lease after the invalidation has applied it. Unless `all_known`, returns the end of that lease.
        """
        latest = invalidated_at + LEASE_SECONDS
        if not all_known:
            return latest
        behind = (lease.end for lease in self._leases.values() if not position.is_reached_by(lease.applied))
        return min(latest, max(behind, default=NEVER))

    def applied(self, now: float) -> StreamPosition | None:
        """Return the position that every serving reader has applied, None if it is unknown."""
        self._forget(now)
        positions = {lease.applied for lease in self._leases.values() if lease.end > now}
        known = [position for position in positions if position is not None]
        if len(known) < len(positions) or len({position.epoch for position in known}) != 1:
            return None
        return min(known, key=lambda position: position.offset)

    def is_any_serving(self, now: float) -> bool:
        """Return whether any reader can be serving entries now."""
        return any(lease.end > now for lease in self._leases.values())

    def _forget(self, now: float) -> None:
        over = [number for number, lease in self._leases.items() if lease.has_left and lease.end <= now]
        for number in over:
            del self._leases[number]
