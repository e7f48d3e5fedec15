"""Which readers may still be serving what has been invalidated.

A tick that is echoed lets its reader serve for LEASE_SECONDS from when it was sent, which was before it came in here.
Times are of one monotonic clock, which the caller reads.
"""

from dataclasses import dataclass

from services.cache.invalidation.positions import StreamPosition

LEASE_SECONDS = 0.5
NEVER = float("-inf")


@dataclass(slots=True)
class _Lease:
    """`granted` and `pending` are when the last tick came in that was echoed, and the last that still may be."""

    applied: StreamPosition | None = None
    granted: float = NEVER
    pending: float = NEVER
    has_left: bool = False

    @property
    def end(self) -> float:
        return max(self.granted, self.pending) + LEASE_SECONDS


class Leases:
    """How long each reader may be serving, and how far each has applied the stream, by the reader's number."""

    def __init__(self) -> None:
        self._leases: dict[int, _Lease] = {}

    def join(self, reader: int) -> None:
        """Registers a new reader."""
        self._leases[reader] = _Lease()

    def leave(self, reader: int) -> None:
        """Marks a reader whose stream has ended. It can serve until its lease ends."""
        lease = self._leases[reader]
        lease.has_left, lease.pending = True, NEVER

    def record_applied(self, reader: int, position: StreamPosition) -> None:
        """Records that a reader has applied all invalidations up to a position."""
        self._leases[reader].applied = position

    def record_tick(self, reader: int, at: float) -> None:
        """Records a tick, which can be echoed from now on."""
        self._leases[reader].pending = at

    def settle_ticks(self, reader: int, at: float, *, echoed: bool) -> None:
        """Records that the ticks of a reader up to `at` have been echoed, or never will be."""
        lease = self._leases.get(reader)
        if lease is None or lease.has_left:
            return
        if echoed:
            lease.granted = max(lease.granted, at)
        if lease.pending <= at:
            lease.pending = NEVER

    def may_serve_until(self, position: StreamPosition, moved_at: float, *, all_known: bool) -> float:
        """Return until when a reader can serve an entry that was invalidated at `moved_at` or before.

        An echo is sent after all invalidations from before its stream was read. So a reader that serves longer than a
        lease after the invalidation has applied it. Without `all_known` the end of that lease is returned.
        """
        latest = moved_at + LEASE_SECONDS
        if not all_known:
            return latest
        behind = (lease.end for lease in self._leases.values() if not position.is_reached_by(lease.applied))
        return min(latest, max(behind, default=NEVER))

    def applied(self, now: float) -> StreamPosition | None:
        """Return the position that every serving reader has applied; None if it is unknown."""
        self._forget(now)
        positions = {lease.applied for lease in self._leases.values() if lease.end > now}
        known = [position for position in positions if position is not None]
        if len(known) < len(positions) or len({position.epoch for position in known}) != 1:
            return None
        return min(known, key=lambda position: position.offset)

    def is_any_serving(self, now: float) -> bool:
        """Whether some reader may be serving now."""
        return any(lease.end > now for lease in self._leases.values())

    def _forget(self, now: float) -> None:
        over = [number for number, lease in self._leases.items() if lease.has_left and lease.end <= now]
        for number in over:
            del self._leases[number]
