"""People out of a Better Auth database: its tables `user`, `account` and `session`, and what they mean to us."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, column, exists, null, select

from identity_rules.custom_fields import Fields
from ops.errors import WrongSettings
from ops.identity.importing.duplicates import losers
from ops.identity.importing.provider_accounts import ProviderAccounts
from ops.identity.importing.report import EXAMPLES, Report
from ops.identity.importing.selection import IN_SOURCE
from ops.identity.importing.source.mapped_table import Named, named
from ops.identity.importing.source.source import Row, Source
from ops.identity.importing.source.times import Times, Unreadable
from ops.identity.importing.source.values import TIMES, read, row_id
from ops.identity.importing.users import LEFT_OUT, Owned, Person, additional, credential, dates_of, text_line, user_row
from runtime.ids import new_id, token_hash
from runtime.sealing import Sealer
from services.identity.passwords.credentials import CREDENTIAL
from services.identity.sessions.sessions import IP_ADDRESS_LENGTH, UNREMEMBERED, USER_AGENT_LENGTH

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
        self._linked = ProviderAccounts(sealer, issuers)
        self._now = now
        self._met: Counter[str] = Counter()
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
        """Yield people. The report counts every row that belongs to none of them, with the reason."""
        table, names = self._users.named.table, self._users.named.spelled
        key = names["id"]
        chosen = [table.c[key], table.c[names["email"]], self._created()]
        created = names.get("createdAt", "")
        younger = losers(
            lambda: self._source.stream(select(*chosen)), lambda time: self._users.times.read(created, time)
        )
        self._source.skip_keyless(table, key, "users", report)
        for rows in self._source.pages(table, key, PAGE):
            people: dict[Any, Person | None] = {}
            for row in rows:
                if row[key] in people:
                    report.skip("users", IN_SOURCE.format("id"), row[key])
                elif row[key] in younger:
                    people[row[key]] = None
                    report.skip("users", "an older user has the same address in other letters", row[key])
                else:
                    people[row[key]] = self._person(row, report)
            self._add_accounts(people, report)
            self._add_sessions(people, report)
            yield [person for person in people.values() if person is not None]
        for of, owned in (("accounts", self._accounts), ("sessions", self._sessions)):
            if owned is not None:
                self._skip_ownerless(of, owned, report)

    def _created(self) -> ColumnElement[Any]:
        name = self._users.named.spelled.get("createdAt")
        return null() if name is None else self._users.named.table.c[name]

    def _person(self, row: Row, report: Report) -> Person | None:
        source_id, theirs = row[self._users.named.spelled["id"]], Report()
        try:
            values = {USER[name]: value for name, value in self._users.values(row).items()}
        except Unreadable as error:
            report.skip("users", str(error), source_id)
            return None
        user = user_row(values, self._now, source_id, theirs)
        if user is None:
            report.add(theirs)
            return None
        rest = self._users.named.rest(row)
        user["additional"] = additional(rest, self._fields, self._users.times, source_id, theirs)
        return Person(user, report=theirs, source_id=source_id)

    def _owned(
        self, of: str, read: Read, people: Mapping[Any, Person | None], report: Report
    ) -> Iterator[tuple[Person, Row]]:
        """Yield the rows that belong to people, each with its owner. Rows of users that are left out are reported."""
        owner, key = read.named.spelled["userId"], read.named.spelled["id"]
        theirs: ColumnClause[Any] = column(read.named.table.c[owner].name)
        for rows in self._source.pages(read.named.table, key, OWNED_PAGE, theirs.in_(list(people))):
            for row in rows:
                if row[owner] not in people:  # MySQL finds `ABC` for `abc`
                    continue
                self._met[of] += 1
                if (person := people[row[owner]]) is not None:
                    yield person, row
                else:
                    report.skip(of, LEFT_OUT, row[key])

    def _skip_ownerless(self, of: str, read: Read, report: Report) -> None:
        """Report the rows that belong to no user of the source."""
        table, users = read.named.table, self._users.named
        key, owner = table.c[read.named.spelled["id"]], table.c[read.named.spelled["userId"]]
        keyless = self._source.skip_keyless(table, key.name, of, report)
        number = self._source.count(table) - keyless - self._met[of]
        if not number:
            return
        own = users.table.c[users.spelled["id"]]
        lost = select(key).where(key.is_not(None), ~exists().where(own == owner)).order_by(key).limit(EXAMPLES)
        shown = [row[0] for row in self._source.all(lost)] or [None]
        report.skip(of, "there is no such user in the source", shown[0], number)
        for source_id in shown[1:]:
            report.note(of, "there is no such user in the source", source_id, 0)

    def _add_accounts(self, people: Mapping[Any, Person | None], report: Report) -> None:
        if self._accounts is None:
            return
        for person, row in self._owned("accounts", self._accounts, people, report):
            source_id = row[self._accounts.named.spelled["id"]]
            account = self._account(person, self._accounts, row, source_id)
            if account is not None:
                person.accounts.append(Owned(source_id, account))
            else:
                person.refused["accounts"] += 1

    def _account(self, person: Person, read: Read, row: Row, source_id: object) -> Row | None:
        try:
            values = read.values(row)
        except Unreadable as error:
            person.report.skip("accounts", str(error), source_id)
            return None
        account_id = row_id(values["id"]) or new_id()
        if values["providerId"] == CREDENTIAL:
            return credential(person, account_id, values.get("password"), source_id)
        return self._linked.row(person, account_id, values)

    def _add_sessions(self, people: Mapping[Any, Person | None], report: Report) -> None:
        if self._sessions is None:
            return
        for person, row in self._owned("sessions", self._sessions, people, report):
            source_id = row[self._sessions.named.spelled["id"]]
            session = self._session(person, self._sessions, row, source_id)
            if session is not None and len(person.sessions) == MAX_SESSIONS:
                person.report.skip("sessions", f"the user has more than {MAX_SESSIONS:,}", source_id)
                session = None
            if session is not None:
                person.sessions.append(Owned(source_id, session))
            else:
                person.refused["sessions"] += 1

    def _session(self, person: Person, read: Read, row: Row, source_id: object) -> Row | None:
        try:
            values = read.values(row)
        except Unreadable as error:
            person.report.skip("sessions", str(error), source_id)
            return None
        if (obstacle := self._obstacle(person, values)) is not None:
            person.report.skip("sessions", obstacle, source_id)
            return None
        updated: datetime = values.get("updatedAt") or self._now

        def kept(name: str, value: Any, length: int) -> str:
            return text_line("sessions", name, value, length, source_id, person.report)

        return {
            "id": row_id(values["id"]) or new_id(),
            "user_id": person.id,
            "token_hash": token_hash(str(values["token"])),
            "expires_at": values["expiresAt"],
            # The original tells by a cookie whether a session is one of a day; here its row does.
            "remembered": values["expiresAt"] - updated > UNREMEMBERED,
            "ip_address": kept("address", values.get("ipAddress"), IP_ADDRESS_LENGTH),
            "user_agent": kept("user agent", values.get("userAgent"), USER_AGENT_LENGTH),
            "additional": None,
            "created_at": values.get("createdAt") or updated,
            "updated_at": updated,
        }

    def _obstacle(self, person: Person, values: Row) -> str | None:
        """Return why a session cannot be taken, None if it can."""
        if not values["token"]:
            return "it has no token"
        if values["expiresAt"] is None or values["expiresAt"] <= self._now:
            return "expired"
        if person.user["banned"]:
            return "its user is banned"
        if values.get("impersonatedBy"):
            return "an administrator's session that impersonates the user"
        return None
