"""Which readers may still be serving what has been invalidated.

A tick that is echoed lets its reader serve for LEASE_SECONDS from when it was sent, which was before it came in here.
Times are of one monotonic clock, which the caller reads.
"""

from dataclasses import dataclass

from services.cache.invalidation.positions import Position

LEASE_SECONDS = 0.5
NEVER = float("-inf")


@dataclass(slots=True)
class _Lease:
    """`granted` and `asked` are when the last tick came in that was echoed, and the last that still may be."""

    applied: Position | None = None
    granted: float = NEVER
    asked: float = NEVER
    has_left: bool = False

    @property
    def end(self) -> float:
        return max(self.granted, self.asked) + LEASE_SECONDS


class Leases:
    """How long each reader may be serving, and how far each has applied the stream, by the reader's number."""

    def __init__(self) -> None:
        self._leases: dict[int, _Lease] = {}

    def join(self, reader: int) -> None:
        """A reader of whom nothing is known yet."""
        self._leases[reader] = _Lease()

    def leave(self, reader: int) -> None:
        """A reader whose stream has ended; it may be serving for as long as the last echo lets it."""
        lease = self._leases[reader]
        lease.has_left, lease.asked = True, NEVER

    def apply(self, reader: int, position: Position) -> None:
        """A reader has dropped all that was invalidated up to a position."""
        self._leases[reader].applied = position

    def ask(self, reader: int, at: float) -> None:
        """A tick has come in, which may be echoed from now on."""
        self._leases[reader].asked = at

    def settle(self, reader: int, at: float, *, echoed: bool) -> None:
        """The ticks of a reader that came in up to `at` have been echoed, or will never be."""
        lease = self._leases.get(reader)
        if lease is None or lease.has_left:
            return
        if echoed:
            lease.granted = max(lease.granted, at)
        if lease.asked <= at:
            lease.asked = NEVER

    def may_serve_until(self, position: Position, moved_at: float, *, all_known: bool) -> float:
        """Return until when somebody may be serving what was invalidated there at `moved_at` or before.

        An echo goes out behind all that was invalidated before its stream was read. So whoever serves longer than a
        lease after the invalidation has applied it, known here or not; without `all_known` that is all there is to say.
        """
        latest = moved_at + LEASE_SECONDS
        if not all_known:
            return latest
        behind = (lease.end for lease in self._leases.values() if not position.is_reached_by(lease.applied))
        return min(latest, max(behind, default=NEVER))

    def applied(self, now: float) -> Position | None:
        """Return what every reader that may be serving has applied; None if that cannot be said."""
        self._forget(now)
        positions = {lease.applied for lease in self._leases.values() if lease.end > now}
        known = [position for position in positions if position is not None]
        if len(known) < len(positions) or len({position.epoch for position in known}) != 1:
            return None
        return min(known, key=lambda position: position.offset)

    def is_anyone_serving(self, now: float) -> bool:
        """Whether some reader may be serving now."""
        return any(lease.end > now for lease in self._leases.values())

    def _forget(self, now: float) -> None:
        over = [number for number, lease in self._leases.items() if lease.has_left and lease.end <= now]
        for number in over:
            del self._leases[number]
