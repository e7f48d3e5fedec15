"""Reads times of another system: texts, numbers with one unit per column, and times without a zone."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
Number = int | float | Decimal


class Unreadable(ValueError):
    """A value that cannot be stored. The text names its column, never the value."""


class Unit(Enum):
    """The unit of numbers that count from 1970. The value is the number of units per second."""

    SECONDS = 1
    MILLISECONDS = 1_000
    MICROSECONDS = 1_000_000
    NANOSECONDS = 1_000_000_000


def _seconds(year: int) -> float:
    return (datetime(year, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()


POSSIBLE = (_seconds(1), _seconds(9999) + 366 * 86_400)
LIKELY = (_seconds(1900), _seconds(2100))
RECENT_YEAR = 1985
RECENT = (_seconds(RECENT_YEAR), _seconds(2100))
"""Nearly all times of accounts and sessions are in this range."""


@dataclass
class Numbers:
    """All numbers in one column of times, and the unit that fits them best."""

    count: int = 0
    least: Number = 0
    most: Number = 0
    impossible: dict[Unit, int] = field(default_factory=lambda: dict.fromkeys(Unit, 0))
    likely: dict[Unit, int] = field(default_factory=lambda: dict.fromkeys(Unit, 0))
    recent: dict[Unit, int] = field(default_factory=lambda: dict.fromkeys(Unit, 0))

    def add(self, number: Number) -> None:
        """Count a number. Infinity and NaN fit no unit and are ignored."""
        if not math.isfinite(number):
            return
        self.least = min(self.least, number) if self.count else number
        self.most = max(self.most, number) if self.count else number
        self.count += 1
        for unit in Unit:
            seconds = float(number) / unit.value
            self.impossible[unit] += not POSSIBLE[0] <= seconds < POSSIBLE[1]
            self.likely[unit] += LIKELY[0] <= seconds < LIKELY[1]
            self.recent[unit] += RECENT[0] <= seconds < RECENT[1]

    @cached_property
    def unit(self) -> Unit:
        """The unit in which most numbers are recent times, and fewest are impossible ones.

        A single number does not decide: a far future that means "never" must not change all other times. A unit finer
        than milliseconds needs recent times.
        """
        coarse = (Unit.SECONDS, Unit.MILLISECONDS)

        def fit(unit: Unit) -> tuple[int, int, int, int]:
            impossible = self.impossible[unit]
            return 2 * self.recent[unit] - impossible, -impossible, self.likely[unit], -unit.value

        return max((unit for unit in Unit if unit in coarse or self.recent[unit]), key=fit)

    @property
    def weight(self) -> int:
        """The number of recent times in the best unit."""
        return self.recent[self.unit]


@dataclass
class Times:
    """Reads the times of one table. `zone` applies to times without a zone."""

    zone: tzinfo = UTC
    columns: Mapping[str, Numbers] = field(default_factory=dict)
    warned: bool = False
    """Whether a warning about times without a zone has been printed."""
    unit: Unit | None = None
    """The unit of all numbers if --time-unit is set."""
    found_zoneless: bool = False

    def read(self, column: str, value: Any) -> datetime | None:
        """Return a time in UTC with milliseconds, None for an empty value. Raises Unreadable."""
        if value is None or value == "":
            return None
        try:
            found = self._read(column, value)
            if found.tzinfo is None:
                self.found_zoneless = True
                found = found.replace(tzinfo=self.zone)
            found = found.astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            raise Unreadable(f"the column {column} holds no time in the years 1 to 9999") from None
        return found.replace(microsecond=found.microsecond // 1000 * 1000)

    def _read(self, column: str, value: Any) -> datetime:
        if isinstance(value, bytes | bytearray | memoryview):
            value = bytes(value).decode()
        if isinstance(value, datetime):
            return value
        if isinstance(value, date):
            return datetime.combine(value, time())
        number = number_of(value)
        if number is None:
            return datetime.fromisoformat(value)
        return EPOCH + timedelta(microseconds=int(number * 1_000_000 / self._unit_of(column, number).value))

    def number(self, column: str, moment: datetime) -> int | None:
        """Return a time as a number in the column's unit. Returns None if the column has no numbers."""
        numbers = self.columns.get(column)
        if numbers is None or not numbers.count:
            return None
        return number_in(self._unit_of(column, numbers.most), moment)

    def _unit_of(self, column: str, number: Number) -> Unit:
        if self.unit is not None:
            return self.unit
        return self.columns[column].unit if column in self.columns else _alone(number)

    def remarks(self, table: str) -> list[str]:
        """Return a line per column with the unit of its numbers, and one with the zone."""
        zoneless = [f"{table}: times without a zone are read as {self.zone}"]
        return zoneless * (self.found_zoneless and not self.warned) + [
            f"{table}.{column}: {self._summary(column, numbers)}"
            for column, numbers in self.columns.items()
            if numbers.count
        ]

    def _summary(self, column: str, numbers: Numbers) -> str:
        unit = self._unit_of(column, numbers.most).name.lower()
        span = f"{self._shown(column, numbers.least)} to {self._shown(column, numbers.most)}"
        return f"{numbers.count:,} numbers are read as {unit}, {span}{self._doubt(numbers)}"

    def _doubt(self, numbers: Numbers) -> str:
        """Return what the operator must check about a column's unit."""
        if self.unit is not None:
            return ", as --time-unit says"
        return "" if numbers.weight else f", a guess as none is after {RECENT_YEAR}: use --time-unit if it is wrong"

    def _shown(self, column: str, number: Number) -> str:
        try:
            shown = self.read(column, number)
        except Unreadable:
            return "a time that cannot be stored"
        return f"{shown:%Y-%m-%d}" if shown else ""


def numbers_by_column(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Numbers]:
    """Return statistics of the numbers in each column of times."""
    found = {column: Numbers() for column in columns}
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            if (number := number_of(value)) is not None:
                found[column].add(number)
    # A column without recent times, such as bans until 9999, gets the unit of the other columns.
    clearest = max(found.values(), key=lambda numbers: numbers.weight, default=None)
    if clearest is not None and clearest.weight:
        for numbers in found.values():
            numbers.unit = numbers.unit if numbers.weight else clearest.unit
    return found


def number_of(value: Any) -> Number | None:
    """Return a value as a number, None if it is not one."""
    if isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value).decode(errors="replace")
    if isinstance(value, str):
        text = value.strip()
        if not NUMBER.fullmatch(text):
            return None
        return Decimal(text) if "." in text else int(text)
    return value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def number_in(unit: Unit, moment: datetime) -> int:
    """Return a time as a number in a unit."""
    return (moment - EPOCH) // timedelta(microseconds=1) * unit.value // 1_000_000


def _alone(number: Number) -> Unit:
    numbers = Numbers()
    numbers.add(number)
    return numbers.unit
