"""People out of one table that has a password hash beside each address."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import func, select

from ops.errors import WrongSettings
from ops.importing.better_auth import PAGE
from ops.importing.people import Person, additional, credential, user_row
from ops.importing.report import Report
from ops.importing.source import Row, Source
from runtime.fields import Fields
from runtime.ids import new_id

COLUMNS = (
    *("id", "email", "name", "image", "email_verified", "role", "banned", "ban_reason", "ban_expires"),
    *("password_hash", "created_at", "updated_at"),
)


class Plain:
    """Reads people from a table whose columns are named as ours, or as `mapping` says: ours to theirs.

    Without an id in the table each is given one, and is known again by the address.
    """

    def __init__(self, source: Source, table: str, mapping: Mapping[str, str], fields: Fields, now: datetime) -> None:
        found = source.find(table)
        if found is None:
            raise WrongSettings(f"--from: there is no table {table}")
        there = {each.name for each in found.c}
        if unknown := sorted(mapping.keys() - set(COLUMNS)):
            raise WrongSettings(f"--map: {', '.join(unknown)} is none of {', '.join(COLUMNS)}")
        names = {name: mapping.get(name, name) for name in COLUMNS}
        if missing := sorted(mapping[name] for name in mapping if mapping[name] not in there):
            raise WrongSettings(f"--map: the table {table} has no column {', '.join(missing)}")
        self._names = {name: theirs for name, theirs in names.items() if theirs in there}
        if "email" not in self._names:
            raise WrongSettings(f"the table {table} has no column email: name it with --map email=COLUMN")
        self._source, self._table, self._fields, self._now = source, found, fields, now
        self.missing: list[str] = []

    @property
    def total(self) -> int:
        return self._source.count(self._table)

    def pages(self, report: Report) -> Iterator[list[Person]]:
        """Yield people; what is left out is told to the report."""
        key = self._names.get("id", self._names["email"])
        nameless = select(func.count()).select_from(self._table).where(self._table.c[key].is_(None))
        if (number := self._source.all(nameless)[0][0]) > 0:
            report.skip("users", f"the column {key} is empty", None, number)
        for rows in self._source.pages(self._table, key, PAGE):
            yield [person for row in rows if (person := self._person(row, report)) is not None]

    def _person(self, row: Row, report: Report) -> Person | None:
        values = {name: row[theirs] for name, theirs in self._names.items()}
        values.setdefault("id", new_id())
        user = user_row(values, self._now, report)
        if user is None:
            return None
        known = set(self._names.values())
        rest = {name: value for name, value in row.items() if name not in known}
        user["additional"] = additional(rest, self._fields, user["id"], report)
        person = Person(user)
        account = credential(person, new_id(), values.get("password_hash"), report)
        if account is not None:
            person.accounts.append(account)
        return person
