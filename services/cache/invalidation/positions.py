"""Places in the invalidation stream, what stands there, and what processes have told of how far their readers are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KEPT_SINCE = "kept-since"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the invalidation stream; offsets compare within one epoch only."""

    epoch: str
    offset: int

    def is_reached_by(self, other: "Position | None") -> bool:
        """Whether the other is known to be this place or a later one."""
        return other is not None and other.epoch == self.epoch and other.offset >= self.offset


@dataclass(frozen=True, slots=True)
class Event:
    """Tags that moved, by their names among all tags."""

    position: Position
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Invalidated:
    """An invalidation of ours, and what Redis knew at that moment of the processes that have readers.

    `kept_since` is the offset, in microseconds of Redis' clock, since which no process has been forgotten; `told` is by
    process what it has told last.
    """

    position: Position
    kept_since: int
    told: Mapping[str, str]


def fields(answer: Sequence[bytes]) -> dict[str, str]:
    """Return what the processes have told, from the fields and values of the hash that Redis keeps it in."""
    pairs = zip(answer[::2], answer[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs if name != KEPT_SINCE.encode()}


def format_applied(applied: Position | None) -> str:
    """Return what a process tells of its readers: how far all of them are, None if that is not known.

    Redis keeps it with the number of the reading that told it: what stays the same was told by nobody since.
    """
    return f"{applied.epoch} {applied.offset}" if applied else "- -"


def parse_applied(told: str) -> Position | None:
    """Return how far the readers of a process are by what it has told; None if it is not known."""
    epoch, _, rest = told.partition(" ")
    offset = rest.partition(" ")[0]
    return Position(epoch, int(offset)) if offset.isdecimal() else None
