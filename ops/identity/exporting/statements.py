"""The statements of an export on its target. A dry run sends only those that read."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from sqlalchemy import ColumnElement, Connection, TableClause, bindparam, delete, func, select, update

Row = Mapping[str, Any]


class Statements:
    """Reads and writes in one transaction. `missing` are tables that a dry run does not create: they hold no rows."""

    def __init__(self, connection: Connection, missing: Set[str], *, dry_run: bool) -> None:
        self._connection = connection
        self._missing = missing
        self._dry_run = dry_run

    def select(
        self, table: TableClause, columns: Sequence[ColumnElement[Any]], *where: ColumnElement[bool]
    ) -> Sequence[Any]:
        if table.name in self._missing:
            return []
        return self._connection.execute(select(*columns).where(*where)).all()

    def count(self, table: TableClause, *where: ColumnElement[bool]) -> int:
        if table.name in self._missing:
            return 0
        return int(self._connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())

    def insert(self, table: TableClause, rows: Sequence[Row]) -> None:
        for row in () if self._dry_run else rows:
            self._connection.execute(table.insert().values(dict(row)))

    def update(self, table: TableClause, key: str, rows: Sequence[Row]) -> None:
        """Give existing rows their new values. `key` names the column that finds them."""
        for row in () if self._dry_run else rows:
            values = {name: value for name, value in row.items() if name != key}
            found = table.c[key] == bindparam("own")
            self._connection.execute(update(table).where(found).values(values), {"own": row[key]})

    def delete(self, table: TableClause, *where: ColumnElement[bool]) -> int:
        """Delete rows. Return how many, in a dry run how many it would be."""
        if self._dry_run:
            return self.count(table, *where)
        return self._connection.execute(delete(table).where(*where)).rowcount
