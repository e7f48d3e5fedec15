"""Reads users from one table with an email address and a password hash per row."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import null, select

from identity_rules.custom_fields import Fields
from ops.errors import WrongSettings
from ops.identity.importing.better_auth import PAGE
from ops.identity.importing.duplicates import younger_duplicates
from ops.identity.importing.report import Report
from ops.identity.importing.source.source import Row, Source
from ops.identity.importing.source.times import Unreadable
from ops.identity.importing.source.values import TIMES, read
from ops.identity.importing.users import ImportedUser, OwnedRow, additional, credential, dates_of, user_row
from runtime.ids import new_id

COLUMNS = (
    *("id", "email", "name", "image", "email_verified", "role", "banned", "ban_reason", "ban_expires"),
    *("password_hash", "created_at", "updated_at"),
)


class Plain:
    """Reads users from a table. `mapping` leads from Trivet's column names to those of the table, if they differ.

    If the table has no id, each user gets a new one, and a second import finds the user by the email address.
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
        """How times were read. Complete after all pages."""
        return self._times.remarks(self._table.name)

    def pages(self, report: Report) -> Iterator[list[ImportedUser]]:
        """Yield users. The report counts the rows that are skipped."""
        key = self._names.get("id", self._names["email"])
        self._source.skip_keyless(self._table, key, "users", report)
        created = self._names.get("created_at", "")
        chosen = [
            self._table.c[key],
            self._table.c[self._names["email"]],
            self._table.c[created] if created else null(),
        ]
        younger = younger_duplicates(
            lambda: self._source.stream(select(*chosen)), lambda time: self._times.read(created, time)
        )
        for rows in self._source.pages(self._table, key, PAGE):
            people = []
            for row in rows:
                if row[key] in younger:
                    report.skip("users", "an older user has the same address in other letters", self._shown(row))
                elif (person := self._person(row, report)) is not None:
                    people.append(person)
            yield sorted(
                people, key=lambda person: person.user["created_at"]
            )  # the older of two users with one address comes first

    def _shown(self, row: Row) -> Any:
        """Return the id that names a row in a report. An address never does."""
        return row[self._names["id"]] if "id" in self._names else None

    def _person(self, row: Row, report: Report) -> ImportedUser | None:
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
        person = ImportedUser(user, report=theirs, source_id=self._shown(row))
        if stored := values.get("password_hash"):
            account = credential(person, new_id(), stored, self._shown(row))
            if account is not None:
                person.accounts.append(OwnedRow(None, account))
        else:
            theirs.note("users", "there is no password hash: the user sets a password by a reset", self._shown(row))
        return person
