"""The sizes of tables, collections and indexes, and how they grew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

EXACT_ROWS = 100_000
"""A table with fewer rows, by the engine's estimate, is counted."""


@dataclass(frozen=True)
class Size:
    """A table, a collection or a namespace of Redis. None stands for what the engine does not tell.

    `is_estimate` holds for the rows, and for the bytes of a namespace of Redis.
    """

    store: str
    name: str
    rows: int
    bytes: int | None
    index_bytes: int | None = None
    is_estimate: bool = False

    @property
    def key(self) -> str:
        return f"{self.store} {self.name}"


@dataclass(frozen=True)
class IndexSize:
    """An index. `uses` counts since the server's start, or since `uses_since`; None if the engine does not count."""

    store: str
    table: str
    name: str
    bytes: int | None = None
    uses: int | None = None
    uses_since: datetime | None = None
    is_unique: bool = False
    is_missing: bool = False

    @property
    def state(self) -> str:
        """`missing`, `unused`, `used`, or empty if the engine does not count. A unique index is needed unused too."""
        if self.is_missing:
            return "missing"
        if self.uses is None:
            return ""
        return "used" if self.uses or self.is_unique else "unused"


@dataclass(frozen=True)
class Growth:
    """How much more there is than at the last look."""

    rows: int
    bytes: int | None
    since: datetime


@dataclass
class Stats:
    """The sizes of all stores, and notes on stores and sizes that are missing."""

    sizes: list[Size] = field(default_factory=list)
    indexes: list[IndexSize] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, sizes: Sequence[Size], indexes: Sequence[IndexSize] = (), remarks: Sequence[str] = ()) -> None:
        """Add what one store holds."""
        self.sizes += sizes
        self.indexes += indexes
        self.remarks += remarks


Grown = Mapping[str, Growth]
"""The growth by `Size.key`; nothing for what was not there at the last look."""
