"""Reads users from a Better Auth database: its tables `user`, `account` and `session`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, column, exists, null, select

from identity_rules.custom_fields import Fields
from ops.errors import WrongSettings
from ops.identity.importing.duplicates import younger_duplicates
from ops.identity.importing.provider_accounts import ProviderAccounts
from ops.identity.importing.report import EXAMPLES, Report
from ops.identity.importing.selection import IN_SOURCE
from ops.identity.importing.source.mapped_table import MappedTable, map_columns
from ops.identity.importing.source.source import Row, Source
from ops.identity.importing.source.times import Times, Unreadable
from ops.identity.importing.source.values import TIMES, read, row_id
from ops.identity.importing.users import (
    OWNER_SKIPPED,
    ImportedUser,
    OwnedRow,
    additional,
    credential,
    dates_of,
    text_line,
    user_row,
)
from runtime.ids import new_id, token_hash
from runtime.sealing import Sealer
from services.identity.passwords.credentials import CREDENTIAL
from services.identity.sessions.sessions import IP_ADDRESS_LENGTH, UNREMEMBERED, USER_AGENT_LENGTH

PAGE = 200
OWNED_PAGE = 2_000
MAX_SESSIONS = 1_000
"""The maximum number of imported sessions per user."""
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
class SourceTable:
    """A table of the source, and how its times are read."""

    mapped: MappedTable
    times: Times

    def values(self, row: Row) -> Row:
        """Return a row's values by the original's names. Raises Unreadable."""
        return read(row, self.mapped.spelled, self.times)


class BetterAuth:
    """Reads users with their accounts and active sessions, a page at a time.

    `issuers` has the issuers of providers that Trivet does not know, or that are self-hosted.
    """

    def __init__(
        self, source: Source, fields: Fields, sealer: Sealer, issuers: Mapping[str, str], now: datetime
    ) -> None:
        self._source = source
        self._fields = fields
        self._linked = ProviderAccounts(sealer, issuers)
        self._now = now
        self._seen: Counter[str] = Counter()
        users = self._read(("user", "users"), tuple(USER), ("id", "email"), dates_of(fields))
        if users is None:
            raise WrongSettings("--from: there is no table `user`: is it Better Auth's database?")
        self._users = users
        self._accounts = self._read(("account", "accounts"), ACCOUNT, ACCOUNT[:4])
        self._sessions = self._read(("session", "sessions"), SESSION, SESSION[:4])

    def _read(
        self, names: Sequence[str], wanted: Sequence[str], required: Sequence[str], own: Sequence[str] = ()
    ) -> SourceTable | None:
        """Find a table, and examine its times. `own` are custom fields with times."""
        table = self._source.find(*names)
        if table is None:
            return None
        found = map_columns(table, wanted, required=required)
        columns = [column for name, column in found.spelled.items() if name in TIMES]
        columns += [name for name in own if name in table.c and name not in found.spelled.values()]
        past = [found.spelled[name] for name in ("createdAt", "updatedAt") if name in found.spelled]
        return SourceTable(found, self._source.times(table, columns, past))

    @property
    def total(self) -> int:
        return self._source.count(self._users.mapped.table)

    @property
    def missing(self) -> list[str]:
        """The missing tables. An app can store sessions elsewhere."""
        found = {"account": self._accounts, "session": self._sessions}
        return [name for name, table in found.items() if table is None]

    @property
    def remarks(self) -> list[str]:
        """How times were read. Complete after all pages."""
        tables = [each for each in (self._users, self._accounts, self._sessions) if each is not None]
        return [line for each in tables for line in each.times.remarks(each.mapped.table.name)]

    def pages(self, report: Report) -> Iterator[list[ImportedUser]]:
        """Yield users. The report counts the rows that belong to none of them, with reasons."""
        table, names = self._users.mapped.table, self._users.mapped.spelled
        key = names["id"]
        chosen = [table.c[key], table.c[names["email"]], self._created()]
        created = names.get("createdAt", "")
        younger = younger_duplicates(
            lambda: self._source.stream(select(*chosen)), lambda time: self._users.times.read(created, time)
        )
        self._source.skip_keyless(table, key, "users", report)
        for rows in self._source.pages(table, key, PAGE):
            people: dict[Any, ImportedUser | None] = {}
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
        name = self._users.mapped.spelled.get("createdAt")
        return null() if name is None else self._users.mapped.table.c[name]

    def _person(self, row: Row, report: Report) -> ImportedUser | None:
        source_id, theirs = row[self._users.mapped.spelled["id"]], Report()
        try:
            values = {USER[name]: value for name, value in self._users.values(row).items()}
        except Unreadable as error:
            report.skip("users", str(error), source_id)
            return None
        user = user_row(values, self._now, source_id, theirs)
        if user is None:
            report.add(theirs)
            return None
        rest = self._users.mapped.rest(row)
        user["additional"] = additional(rest, self._fields, self._users.times, source_id, theirs)
        return ImportedUser(user, report=theirs, source_id=source_id)

    def _owned(
        self, of: str, read: SourceTable, people: Mapping[Any, ImportedUser | None], report: Report
    ) -> Iterator[tuple[ImportedUser, Row]]:
        """Yield rows with their owners. Rows of skipped users are reported."""
        owner, key = read.mapped.spelled["userId"], read.mapped.spelled["id"]
        theirs: ColumnClause[Any] = column(read.mapped.table.c[owner].name)
        for rows in self._source.pages(read.mapped.table, key, OWNED_PAGE, theirs.in_(list(people))):
            for row in rows:
                if row[owner] not in people:  # MySQL finds `ABC` for `abc`
                    continue
                self._seen[of] += 1
                if (person := people[row[owner]]) is not None:
                    yield person, row
                else:
                    report.skip(of, OWNER_SKIPPED, row[key])

    def _skip_ownerless(self, of: str, read: SourceTable, report: Report) -> None:
        """Report rows whose user is not in the source."""
        table, users = read.mapped.table, self._users.mapped
        key, owner = table.c[read.mapped.spelled["id"]], table.c[read.mapped.spelled["userId"]]
        keyless = self._source.skip_keyless(table, key.name, of, report)
        number = self._source.count(table) - keyless - self._seen[of]
        if not number:
            return
        own = users.table.c[users.spelled["id"]]
        lost = select(key).where(key.is_not(None), ~exists().where(own == owner)).order_by(key).limit(EXAMPLES)
        shown = [row[0] for row in self._source.all(lost)] or [None]
        report.skip(of, "there is no such user in the source", shown[0], number)
        for source_id in shown[1:]:
            report.note(of, "there is no such user in the source", source_id, 0)

    def _add_accounts(self, people: Mapping[Any, ImportedUser | None], report: Report) -> None:
        if self._accounts is None:
            return
        for person, row in self._owned("accounts", self._accounts, people, report):
            source_id = row[self._accounts.mapped.spelled["id"]]
            account = self._account(person, self._accounts, row, source_id)
            if account is not None:
                person.accounts.append(OwnedRow(source_id, account))
            else:
                person.refused["accounts"] += 1

    def _account(self, person: ImportedUser, read: SourceTable, row: Row, source_id: object) -> Row | None:
        try:
            values = read.values(row)
        except Unreadable as error:
            person.report.skip("accounts", str(error), source_id)
            return None
        account_id = row_id(values["id"]) or new_id()
        if values["providerId"] == CREDENTIAL:
            return credential(person, account_id, values.get("password"), source_id)
        return self._linked.row(person, account_id, values)

    def _add_sessions(self, people: Mapping[Any, ImportedUser | None], report: Report) -> None:
        if self._sessions is None:
            return
        for person, row in self._owned("sessions", self._sessions, people, report):
            source_id = row[self._sessions.mapped.spelled["id"]]
            session = self._session(person, self._sessions, row, source_id)
            if session is not None and len(person.sessions) == MAX_SESSIONS:
                person.report.skip("sessions", f"the user has more than {MAX_SESSIONS:,}", source_id)
                session = None
            if session is not None:
                person.sessions.append(OwnedRow(source_id, session))
            else:
                person.refused["sessions"] += 1

    def _session(self, person: ImportedUser, read: SourceTable, row: Row, source_id: object) -> Row | None:
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
            # Better Auth has this in a cookie, Trivet in the row.
            "remembered": values["expiresAt"] - updated > UNREMEMBERED,
            "ip_address": kept("address", values.get("ipAddress"), IP_ADDRESS_LENGTH),
            "user_agent": kept("user agent", values.get("userAgent"), USER_AGENT_LENGTH),
            "additional": None,
            "created_at": values.get("createdAt") or updated,
            "updated_at": updated,
        }

    def _obstacle(self, person: ImportedUser, values: Row) -> str | None:
        """Return why a session is not imported, None if it is."""
        if not values["token"]:
            return "it has no token"
        if values["expiresAt"] is None or values["expiresAt"] <= self._now:
            return "expired"
        if person.user["banned"]:
            return "its user is banned"
        if values.get("impersonatedBy"):
            return "an administrator's session that impersonates the user"
        return None
