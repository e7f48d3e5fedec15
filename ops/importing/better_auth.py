"""People out of a Better Auth database: its tables `user`, `account` and `session`, and what they mean to us."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, column, null, select

from ops.errors import WrongSettings
from ops.importing.doubles import losers
from ops.importing.linked import Linked
from ops.importing.named import Named, named
from ops.importing.people import Person, additional, credential, dates_of, user_row
from ops.importing.report import Report
from ops.importing.source import Row, Source
from ops.importing.times import Times, Unreadable
from ops.importing.values import TIMES, line, read, row_id
from runtime.fields import Fields
from runtime.ids import new_id, token_hash
from runtime.sealing import Sealer
from services.identity.accounts import CREDENTIAL
from services.identity.sessions import IP_ADDRESS_LENGTH, UNREMEMBERED, USER_AGENT_LENGTH

PAGE = 200
OWNED_PAGE = 2_000
MAX_SESSIONS = 1_000
"""Of one user's sessions; no person has as many."""
USER = {
    "id": "id",
    "name": "name",
    "email": "email",
    "emailVerified": "email_verified",
    "image": "image",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "role": "role",
    "banned": "banned",
    "banReason": "ban_reason",
    "banExpires": "ban_expires",
}
SESSION = ("id", "userId", "token", "expiresAt", "createdAt", "updatedAt", "ipAddress", "userAgent", "impersonatedBy")
ACCOUNT = (
    *("id", "accountId", "providerId", "userId", "accessToken", "refreshToken", "idToken", "accessTokenExpiresAt"),
    *("refreshTokenExpiresAt", "scope", "password", "createdAt", "updatedAt"),
)


@dataclass(frozen=True)
class Read:
    """A table, and how its times are read."""

    named: Named
    times: Times

    def values(self, row: Row) -> Row:
        """Return a row's values by the original's names. Raises Unreadable."""
        return read(row, self.named.spelled, self.times)


class BetterAuth:
    """Reads people with their accounts and live sessions, a page at a time.

    `issuers` names the issuers of providers that we do not know by name, or that are hosted elsewhere.
    """

    def __init__(
        self, source: Source, fields: Fields, sealer: Sealer, issuers: Mapping[str, str], now: datetime
    ) -> None:
        self._source = source
        self._fields = fields
        self._linked = Linked(sealer, issuers)
        self._now = now
        users = self._read(("user", "users"), tuple(USER), ("id", "email"), dates_of(fields))
        if users is None:
            raise WrongSettings("--from: there is no table `user`: is it Better Auth's database?")
        self._users = users
        self._accounts = self._read(("account", "accounts"), ACCOUNT, ACCOUNT[:4])
        self._sessions = self._read(("session", "sessions"), SESSION, SESSION[:4])

    def _read(
        self, names: Sequence[str], wanted: Sequence[str], required: Sequence[str], own: Sequence[str] = ()
    ) -> Read | None:
        """Find a table and look at its times, those of a product's `own` fields too."""
        table = self._source.find(*names)
        if table is None:
            return None
        found = named(table, wanted, required=required)
        columns = [column for name, column in found.spelled.items() if name in TIMES]
        columns += [name for name in own if name in table.c and name not in found.spelled.values()]
        past = [found.spelled[name] for name in ("createdAt", "updatedAt") if name in found.spelled]
        return Read(found, self._source.times(table, columns, past))

    @property
    def total(self) -> int:
        return self._source.count(self._users.named.table)

    @property
    def missing(self) -> list[str]:
        """The tables that are not there; sessions may be kept elsewhere."""
        found = {"account": self._accounts, "session": self._sessions}
        return [name for name, table in found.items() if table is None]

    @property
    def remarks(self) -> list[str]:
        """How times were read, once everything has been."""
        tables = [each for each in (self._users, self._accounts, self._sessions) if each is not None]
        return [line for each in tables for line in each.times.remarks(each.named.table.name)]

    def pages(self, report: Report) -> Iterator[list[Person]]:
        """Yield people; what is left out is told to the report."""
        table, names = self._users.named.table, self._users.named.spelled
        chosen = [table.c[names["id"]], table.c[names["email"]], self._created()]
        created = names.get("createdAt", "")
        younger = losers(
            lambda: self._source.stream(select(*chosen)), lambda time: self._users.times.read(created, time)
        )
        for rows in self._source.pages(table, names["id"], PAGE):
            people: dict[Any, Person] = {}
            for row in rows:
                source_id = row[names["id"]]
                if source_id in younger:
                    report.skip("users", "an older user has the same address in other letters", source_id)
                elif (person := self._person(row, report)) is not None:
                    people[source_id] = person
            self._add_accounts(people, report)
            self._add_sessions(people, report)
            yield list(people.values())

    def _created(self) -> ColumnElement[Any]:
        name = self._users.named.spelled.get("createdAt")
        return null() if name is None else self._users.named.table.c[name]

    def _person(self, row: Row, report: Report) -> Person | None:
        try:
            values = {USER[name]: value for name, value in self._users.values(row).items()}
        except Unreadable as error:
            report.skip("users", str(error), row[self._users.named.spelled["id"]])
            return None
        user = user_row(values, self._now, report)
        if user is None:
            return None
        rest = self._users.named.rest(row)
        user["additional"] = additional(rest, self._fields, self._users.times, user["id"], report)
        return Person(user)

    def _owned(self, read: Read, people: Mapping[Any, Person]) -> Iterator[tuple[Person, Row]]:
        """Yield the rows that belong to people, each with its owner."""
        if not people:
            return
        owner, key = read.named.spelled["userId"], read.named.spelled["id"]
        theirs: ColumnClause[Any] = column(read.named.table.c[owner].name)
        for rows in self._source.pages(read.named.table, key, OWNED_PAGE, theirs.in_(list(people))):
            for row in rows:
                person = people.get(row[owner])
                if person is not None:  # MySQL finds `ABC` for `abc`
                    yield person, row

    def _add_accounts(self, people: Mapping[Any, Person], report: Report) -> None:
        if self._accounts is None:
            return
        for person, row in self._owned(self._accounts, people):
            try:
                values = self._accounts.values(row)
            except Unreadable as error:
                report.skip("accounts", str(error), row[self._accounts.named.spelled["id"]])
                continue
            account_id = row_id(values["id"]) or new_id()
            if values["providerId"] == CREDENTIAL:
                account = credential(person, account_id, values.get("password"), report)
            else:
                account = self._linked.row(person, account_id, values, report)
            if account is not None:
                person.accounts.append(account)

    def _add_sessions(self, people: Mapping[Any, Person], report: Report) -> None:
        if self._sessions is None:
            return
        for person, row in self._owned(self._sessions, people):
            try:
                session = self._session(person, self._sessions.values(row), report)
            except Unreadable as error:
                report.skip("sessions", str(error), row[self._sessions.named.spelled["id"]])
                continue
            if session is not None and len(person.sessions) < MAX_SESSIONS:
                person.sessions.append(session)
            elif session is not None:
                report.skip("sessions", "the user has more than 1,000", person.id)

    def _session(self, person: Person, values: Row, report: Report) -> Row | None:
        session_id, token = row_id(values["id"]) or new_id(), str(values["token"] or "")
        expires: datetime | None = values["expiresAt"]
        if not token or expires is None or expires <= self._now:
            report.skip("sessions", "expired", session_id)
            return None
        if person.user["banned"]:
            report.skip("sessions", "its user is banned", session_id)
            return None
        if values.get("impersonatedBy"):
            report.skip("sessions", "an administrator's session in somebody else's name", session_id)
            return None
        updated: datetime = values.get("updatedAt") or self._now
        return {
            "id": session_id,
            "user_id": person.id,
            "token_hash": token_hash(token),
            "expires_at": expires,
            # The original tells by a cookie whether a session is one of a day; here its row does.
            "remembered": expires - updated > UNREMEMBERED,
            "ip_address": line(values.get("ipAddress"), IP_ADDRESS_LENGTH),
            "user_agent": line(values.get("userAgent"), USER_AGENT_LENGTH),
            "additional": None,
            "created_at": values.get("createdAt") or updated,
            "updated_at": updated,
        }
