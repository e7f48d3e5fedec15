"""Positions and events of the invalidation stream, and the reports of cache processes on their readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KEPT_SINCE = "kept-since"


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the invalidation stream. Offsets are comparable only within one epoch."""

    epoch: str
    offset: int

    def is_reached_by(self, other: "Position | None") -> bool:
        """Whether the other position is this one or a later one of the same epoch."""
        return other is not None and other.epoch == self.epoch and other.offset >= self.offset


@dataclass(frozen=True, slots=True)
class Event:
    """The unique names of tags that were invalidated at a position."""

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
    """Return the report of each process from the fields and values of the hash in Redis."""
    pairs = zip(answer[::2], answer[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs if name != KEPT_SINCE.encode()}


def format_applied(applied: Position | None) -> str:
    """Return the report of a process: the position that all its readers have applied, None if unknown.

    Redis keeps it with the number of the reading that told it: what stays the same was told by nobody since.
    """
    return f"{applied.epoch} {applied.offset}" if applied else "- -"


def parse_applied(told: str) -> Position | None:
    """Return the position in a process's report; None if it is unknown."""
    epoch, _, rest = told.partition(" ")
    offset = rest.partition(" ")[0]
    return Position(epoch, int(offset)) if offset.isdecimal() else None
