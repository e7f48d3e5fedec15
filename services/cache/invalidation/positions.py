"""Positions and events of the invalidation stream, and the reports of cache processes on their readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KEPT_SINCE = "kept-since"


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """A position in the invalidation stream. Offsets are comparable only within one epoch."""

    epoch: str
    offset: int

    def is_reached_by(self, other: "StreamPosition | None") -> bool:
        """Return whether the other position is this one or a later one of the same epoch."""
        return other is not None and other.epoch == self.epoch and other.offset >= self.offset


@dataclass(frozen=True, slots=True)
class Event:
    """An invalidation: its position, and the unique names of its tags."""

    position: StreamPosition
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Invalidated:
    """An invalidation of this process, and the reports of the processes with readers at that moment.

    `kept_since` is the offset, in microseconds of Redis' clock, since which Redis has lost no report. `reports` holds
    the last report of each process, by its name.
    """

    position: StreamPosition
    kept_since: int
    reports: Mapping[str, str]


def parse_reports(answer: Sequence[bytes]) -> dict[str, str]:
    """Return the report of each process from the fields and values of the hash in Redis."""
    pairs = zip(answer[::2], answer[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in pairs if name != KEPT_SINCE.encode()}


def format_applied(applied: StreamPosition | None) -> str:
    """Return the report of a process: the position that all its readers have applied, None if it is unknown.

    Redis stores it with the number of the read that sent it, so every new report differs from the last one.
    """
    return f"{applied.epoch} {applied.offset}" if applied else "- -"


def parse_applied(report: str) -> StreamPosition | None:
    """Return the position in a report, None if it is unknown."""
    epoch, _, rest = report.partition(" ")
    offset = rest.partition(" ")[0]
    return StreamPosition(epoch, int(offset)) if offset.isdecimal() else None
