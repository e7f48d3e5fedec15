"""Tables of Better Auth with column names in camelCase or snake_case."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import TableClause

from ops.errors import WrongSettings
from ops.identity.importing.source.source import Row

SNAKE = re.compile(r"(?<=[a-z0-9])([A-Z])")


@dataclass(frozen=True)
class MappedTable:
    """A table. `spelled` leads from Better Auth's column names to those of the table."""

    table: TableClause
    spelled: Mapping[str, str]

    def rest(self, row: Row) -> Row:
        """Return the values of all other columns of a row."""
        known = set(self.spelled.values())
        return {name: value for name, value in row.items() if name not in known}


def map_columns(table: TableClause, wanted: Sequence[str], *, required: Sequence[str]) -> MappedTable:
    """Find the columns `wanted`. Raises WrongSettings if one of `required` is missing."""
    there = {each.name for each in table.c}
    spelled = {}
    for name in wanted:
        spellings = (name, SNAKE.sub(lambda match: "_" + match[1].lower(), name), name.lower())
        if (spelling := next((each for each in spellings if each in there), None)) is not None:
            spelled[name] = spelling
    if missing := [name for name in required if name not in spelled]:
        raise WrongSettings(f"--from: the table {table.name} has no column {', '.join(missing)}: is it Better Auth's?")
    return MappedTable(table, spelled)
