"""Writes imported users, a page per transaction."""

from collections.abc import Iterator, Sequence, Set
from typing import TypeVar

from sqlalchemy import Table, insert, select

from ops.identity.identity_access import ACTOR
from ops.identity.importing.claims import Claims, Key
from ops.identity.importing.report import Report
from ops.identity.importing.selection import Selection, unique_values
from ops.identity.importing.source.source import Row
from ops.identity.importing.users import ImportedUser
from services.identity import schema
from services.identity.outbox.audit import Audit, Event, EventKind
from services.identity.store.database import Database, Transaction
from services.identity.store.faults.errors import DuplicateError

T = TypeVar("T")
ROWS = 500
"""The rows of one statement: below every engine's limit of parameters."""
UNIQUE = {
    "user": (schema.users.c.id,),
    "email": (schema.users.c.email,),
    "account": (schema.accounts.c.id,),
    "linked": (schema.accounts.c.account_id, schema.accounts.c.provider, schema.accounts.c.issuer),
    "session": (schema.sessions.c.id,),
    "token": (schema.sessions.c.token_hash,),
}
"""Unique keys of our tables: a name, and the columns. The first column alone selects few rows."""


class Target:
    """Our database. Users who exist already are not changed, nor are their accounts and sessions.

    So a second run continues where the first one ended, and does not restore what was revoked or changed since.
    A dry run makes the same decisions from the same reads, and inserts nothing.
    """

    def __init__(self, database: Database, claims: Claims, audit: Audit, *, dry_run: bool) -> None:
        self._database = database
        self._claims = claims
        self._audit = audit
        self._dry_run = dry_run

    async def write(self, people: Sequence[ImportedUser]) -> Report:
        """Write a page of users. Return the report."""
        try:
            return await self._write(people)
        except DuplicateError:  # a user signed up after the transaction had read
            if len(people) == 1:
                report = Report()
                people[0].leave_out(
                    "the user or a unique value was added here during the import: run the import again", report
                )
                return report
        together = Report()
        for person in people:
            together.add(await self.write([person]))
        return together

    async def _write(self, people: Sequence[ImportedUser]) -> Report:
        keys = unique_values(people)
        claimed = self._claims.known(keys)

        async def work(transaction: Transaction) -> Selection:
            selection = Selection(await _here(transaction, keys), claimed)
            for person in people:
                selection.add(person)
            for table, rows in (
                (schema.users, selection.users),
                (schema.accounts, selection.accounts),
                (schema.sessions, selection.sessions),
            ):
                await self._insert(transaction, table, rows)
                selection.report.count(table.name, "would be imported" if self._dry_run else "imported", len(rows))
            if selection.users and not self._dry_run:
                await self._audit.record(transaction, _event(selection))
            return selection

        selection = await self._database.transaction("import.write", work)
        self._claims.add(selection.claims)
        return selection.report

    async def _insert(self, transaction: Transaction, table: Table, rows: Sequence[Row]) -> None:
        if self._dry_run:
            return
        for part in _parts(rows):
            await transaction.execute(insert(table).values(list(part)))


def _event(selection: Selection) -> Event:
    counts = (
        (len(selection.users), "users"),
        (len(selection.accounts), "accounts"),
        (len(selection.sessions), "sessions"),
    )
    return Event(EventKind.IMPORTED, "", ACTOR, detail=", ".join(f"{number} {what}" for number, what in counts))


async def _here(transaction: Transaction, keys: Set[Key]) -> set[Key]:
    """Return the unique values in the database that can equal one of the keys."""
    found: set[Key] = set()
    for kind, columns in UNIQUE.items():
        first = columns[0]
        values = sorted({key[1] for key in keys if key[0] == kind})
        for part in _parts(values):
            rows = await transaction.execute(select(*columns).where(first.in_(part)))
            found |= {(kind, *row) for row in rows.all()}
    return found


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + ROWS] for start in range(0, len(values), ROWS))
