"""Writing people: a page in one transaction, each person wholly or not at all."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Table, insert, or_, select

from ops.importing.people import Person
from ops.importing.report import Report
from ops.importing.source import Row
from services.identity import schema
from services.identity.database import Database, Transaction
from services.identity.store_errors import TwiceError

ROWS = 500
"""In one statement: below every engine's bound of parameters."""


class Target:
    """Our database. Whoever is here already is left as they are, with all that is theirs.

    A second run thus takes up where the first one ended, and brings nothing back that was revoked or changed since.
    """

    def __init__(self, database: Database, *, dry_run: bool) -> None:
        self._database = database
        self._dry_run = dry_run

    async def write(self, people: Sequence[Person]) -> Report:
        """Write a page of people; return what became of them."""
        try:
            return await self._write(people)
        except TwiceError:
            if len(people) == 1:
                report = Report()
                report.skip("users", "something of theirs is here already, under another user", people[0].id)
                return report
        together = Report()
        for person in people:  # one of them is to blame
            together.add(await self.write([person]))
        return together

    async def _write(self, people: Sequence[Person]) -> Report:
        async def work(transaction: Transaction) -> Report:
            report = Report()
            fresh = await self._fresh(transaction, people, report)
            accounts = await self._unlinked(transaction, [row for each in fresh for row in each.accounts], report)
            sessions = [row for each in fresh for row in each.sessions]
            users = [each.user for each in fresh]
            for table, rows in ((schema.users, users), (schema.accounts, accounts), (schema.sessions, sessions)):
                await self._insert(transaction, table, rows)
                if rows:
                    report.count(table.name, "would be imported" if self._dry_run else "imported", len(rows))
            return report

        return await self._database.transaction("import.write", work)

    async def _fresh(self, transaction: Transaction, people: Sequence[Person], report: Report) -> list[Person]:
        """Return those who are not here yet, and whose address nobody here has."""
        users = schema.users
        known = or_(users.c.id.in_([each.id for each in people]), users.c.email.in_([each.email for each in people]))
        rows = (await transaction.execute(select(users.c.id, users.c.email).where(known))).all()
        ids, emails = {row.id for row in rows}, {row.email: row.id for row in rows}
        fresh = []
        for person in people:
            if person.id in ids:
                report.count("users", "already here")
            elif emails.get(person.email) is not None:
                report.skip("users", "somebody here has the same address under another id", person.id)
            else:
                emails[person.email] = person.id
                fresh.append(person)
        return fresh

    async def _unlinked(self, transaction: Transaction, rows: Sequence[Row], report: Report) -> list[Row]:
        """Return the accounts that belong to nobody yet."""
        accounts = schema.accounts
        key = (accounts.c.provider, accounts.c.issuer, accounts.c.account_id)
        taken: set[tuple[Any, ...]] = set()
        for part in _parts(rows):
            theirs = select(*key).where(accounts.c.account_id.in_([row["account_id"] for row in part]))
            taken |= {tuple(found) for found in (await transaction.execute(theirs)).all()}
        free = []
        for row in rows:
            own = (row["provider"], row["issuer"], row["account_id"])
            if own in taken:
                report.skip("accounts", "it belongs to somebody already", row["id"])
            else:
                taken.add(own)
                free.append(row)
        return free

    async def _insert(self, transaction: Transaction, table: Table, rows: Sequence[Row]) -> None:
        if self._dry_run:
            return
        for part in _parts(rows):
            await transaction.execute(insert(table).values(list(part)))


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[first : first + ROWS] for first in range(0, len(rows), ROWS))
