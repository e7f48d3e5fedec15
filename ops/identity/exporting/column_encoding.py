"""How values are written into the columns of one table: as the app writes its own, and nothing is cut."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects import mysql
from sqlalchemy.types import String, Text, TypeEngine

from ops.identity.exporting.records import Record, iso
from ops.identity.importing.source.mapped_table import Named
from ops.identity.importing.source.source import Source
from ops.identity.importing.source.values import FLAGS, TIMES

BYTES = (
    (mysql.TINYTEXT, 255),
    (mysql.MEDIUMTEXT, 16_777_215),
    (mysql.LONGTEXT, 4_294_967_295),
    (Text, 65_535),
)
"""MySQL's texts by the bytes that they hold; its plain TEXT comes last, as the others are of its kind."""


class Written:
    """How times and flags are written into one table: as the app that reads them writes its own."""

    def __init__(self, into: Named, source: Source) -> None:
        columns = [column for name, column in into.spelled.items() if name in TIMES]
        self._dialect = source.dialect
        flags = [column for name, column in into.spelled.items() if name in FLAGS]
        self._is_boolean = {column: source.is_boolean(into.table, column) for column in flags}
        self._zoneless = set(source.zoneless(into.table, columns))
        self._times = source.times(into.table, columns)
        self._declared = {each.name: source.declared(into.table, each.name) for each in into.table.c}

    def misfit(self, row: Record) -> str | None:
        """Return the first column that is too small for its value of a row, and the mend; None if all fit."""
        for column, value in row.items():
            if (why := misfit(self._declared[column], self._dialect, value)) is not None:
                return f"the column {column} there {why}"
        return None

    def flag(self, column: str, value: bool) -> Any:
        """Return a flag for a column: a digit, which bits, numbers and texts take, where it is not for flags."""
        if self._dialect == "postgresql":
            return value if self._is_boolean[column] else str(int(value))
        return int(value)

    def time(self, column: str, value: datetime) -> Any:
        """Return a time for a column: a number where numbers are, a text in SQLite, a local time where no zone is."""
        if (number := self._times.number(column, value)) is not None:
            return number
        if self._dialect == "sqlite":
            return iso(value)
        return value.astimezone(self._times.zone).replace(tzinfo=None) if column in self._zoneless else value


def misfit(declared: TypeEngine[Any], dialect: str, value: object) -> str | None:
    """Return what a column takes, with the mend, if a text is too long for it; None if it fits."""
    if not isinstance(value, str) or not isinstance(declared, String) or dialect == "sqlite":
        return None
    if dialect == "mysql":
        for kind, most in BYTES:
            if isinstance(declared, kind):
                return None if len(value.encode()) <= most else f"takes {most:,} bytes: make it {_larger(most)}"
    if declared.length is None or len(value) <= declared.length:
        return None
    return f"takes {declared.length:,} characters: make it longer, for example TEXT"


def _larger(most: int) -> str:
    return "TEXT" if most < 65_535 else "MEDIUMTEXT" if most < 16_777_215 else "LONGTEXT"
