"""People out of one table that has a password hash beside each address."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import null, select

from identity_rules.custom_fields import Fields
from ops.errors import WrongSettings
from ops.identity.importing.better_auth import PAGE
from ops.identity.importing.duplicates import losers
from ops.identity.importing.report import Report
from ops.identity.importing.source.source import Row, Source
from ops.identity.importing.source.times import Unreadable
from ops.identity.importing.source.values import TIMES, read
from ops.identity.importing.users import Owned, Person, additional, credential, dates_of, user_row
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
        columns = [column for name, column in self._names.items() if name in TIMES]
        columns += [name for name in dates_of(fields) if name in there and name not in self._names.values()]
        past = [self._names[name] for name in ("created_at", "updated_at") if name in self._names]
        self._times = source.times(found, columns, past)
        self.missing: list[str] = []

    @property
    def total(self) -> int:
        return self._source.count(self._table)

    @property
    def remarks(self) -> list[str]:
        """How times were read, once everything has been."""
        return self._times.remarks(self._table.name)

    def pages(self, report: Report) -> Iterator[list[Person]]:
        """Yield users. The report counts the rows that are left out."""
        key = self._names.get("id", self._names["email"])
        self._source.skip_keyless(self._table, key, "users", report)
        created = self._names.get("created_at", "")
        chosen = [
            self._table.c[key],
            self._table.c[self._names["email"]],
            self._table.c[created] if created else null(),
        ]
        younger = losers(lambda: self._source.stream(select(*chosen)), lambda time: self._times.read(created, time))
        for rows in self._source.pages(self._table, key, PAGE):
            people = []
            for row in rows:
                if row[key] in younger:
                    report.skip("users", "an older user has the same address in other letters", self._shown(row))
                elif (person := self._person(row, report)) is not None:
                    people.append(person)
            yield sorted(people, key=lambda person: person.user["created_at"])  # the older one of a double address

    def _shown(self, row: Row) -> Any:
        """Return what a report may name a row by: never an address."""
        return row[self._names["id"]] if "id" in self._names else None

    def _person(self, row: Row, report: Report) -> Person | None:
        try:
            values = read(row, self._names, self._times)
        except Unreadable as error:
            report.skip("users", str(error), self._shown(row))
            return None
        values.setdefault("id", new_id())
        theirs = Report()
        user = user_row(values, self._now, self._shown(row), theirs)
        if user is None:
            report.add(theirs)
            return None
        known = set(self._names.values())
        rest = {name: value for name, value in row.items() if name not in known}
        user["additional"] = additional(rest, self._fields, self._times, self._shown(row), theirs)
        person = Person(user, report=theirs, source_id=self._shown(row))
        if stored := values.get("password_hash"):
            account = credential(person, new_id(), stored, self._shown(row))
            if account is not None:
                person.accounts.append(Owned(None, account))
        else:
            theirs.note("users", "there is no password hash: the user sets a password by a reset", self._shown(row))
        return person
