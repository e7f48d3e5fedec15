"""Encodes values for the columns of one table, in the form that the app writes. Nothing is cut."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects import mysql
from sqlalchemy.types import String, Text, TypeEngine

from ops.identity.exporting.records import Record, iso
from ops.identity.importing.source.mapped_table import MappedTable
from ops.identity.importing.source.source import Source
from ops.identity.importing.source.values import FLAGS, TIMES

BYTES = (
    (mysql.TINYTEXT, 255),
    (mysql.MEDIUMTEXT, 16_777_215),
    (mysql.LONGTEXT, 4_294_967_295),
    (Text, 65_535),
)
"""MySQL's text types by their size in bytes. Text is last, because the others are subclasses of it."""


class ColumnEncoder:
    """Encodes times and flags for one table, as the app writes them."""

    def __init__(self, into: MappedTable, source: Source) -> None:
        columns = [column for name, column in into.spelled.items() if name in TIMES]
        self._dialect = source.dialect
        flags = [column for name, column in into.spelled.items() if name in FLAGS]
        self._is_boolean = {column: source.is_boolean(into.table, column) for column in flags}
        self._zoneless = set(source.zoneless(into.table, columns))
        self._times = source.times(into.table, columns)
        self._declared = {each.name: source.declared(into.table, each.name) for each in into.table.c}

    def misfit(self, row: Record) -> str | None:
        """Return the first column that is too small for its value, with advice. Returns None if all values fit."""
        for column, value in row.items():
            if (why := misfit(self._declared[column], self._dialect, value)) is not None:
                return f"the column {column} there {why}"
        return None

    def flag(self, column: str, value: bool) -> Any:
        """Return a flag for a column. A column that is not boolean gets a digit, which fits bits, numbers and texts."""
        if self._dialect == "postgresql":
            return value if self._is_boolean[column] else str(int(value))
        return int(value)

    def time(self, column: str, value: datetime) -> Any:
        """Return a time for a column: a number if it has numbers, a text in SQLite, a local time without a zone."""
        if (number := self._times.number(column, value)) is not None:
            return number
        if self._dialect == "sqlite":
            return iso(value)
        return value.astimezone(self._times.zone).replace(tzinfo=None) if column in self._zoneless else value


def misfit(declared: TypeEngine[Any], dialect: str, value: object) -> str | None:
    """Return the limit of a column, with advice, if a text is too long for it. Returns None if it fits."""
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
