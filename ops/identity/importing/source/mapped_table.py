"""Tables of Better Auth's, however the names of their columns are spelled."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import TableClause

from ops.errors import WrongSettings
from ops.identity.importing.source.source import Row

SNAKE = re.compile(r"(?<=[a-z0-9])([A-Z])")


@dataclass(frozen=True)
class Named:
    """A table, and how the original's names for its columns are spelled in it."""

    table: TableClause
    spelled: Mapping[str, str]

    def rest(self, row: Row) -> Row:
        """Return what a row holds besides."""
        known = set(self.spelled.values())
        return {name: value for name, value in row.items() if name not in known}


def named(table: TableClause, wanted: Sequence[str], *, required: Sequence[str]) -> Named:
    """Find columns in camelCase, as the original names them, or in snake_case. Raises WrongSettings."""
    there = {each.name for each in table.c}
    spelled = {}
    for name in wanted:
        spellings = (name, SNAKE.sub(lambda match: "_" + match[1].lower(), name), name.lower())
        if (spelling := next((each for each in spellings if each in there), None)) is not None:
            spelled[name] = spelling
    if missing := [name for name in required if name not in spelled]:
        raise WrongSettings(f"--from: the table {table.name} has no column {', '.join(missing)}: is it Better Auth's?")
    return Named(table, spelled)
