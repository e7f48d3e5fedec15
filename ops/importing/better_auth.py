"""People out of a Better Auth database: its tables `user`, `account` and `session`, and what they mean to us."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnClause, TableClause, column, func, select

from ops.errors import WrongSettings
from ops.importing.linked import Linked
from ops.importing.people import Person, additional, credential, user_row
from ops.importing.report import Report
from ops.importing.source import Row, Source
from ops.importing.values import line, moment, row_id
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
SNAKE = re.compile(r"(?<=[a-z0-9])([A-Z])")


@dataclass(frozen=True)
class Named:
    """A table, and how the original's names for its columns are spelled in it."""

    table: TableClause
    spelled: Mapping[str, str]

    def values(self, row: Row) -> Row:
        """Return a row by the original's names."""
        return {name: row[spelling] for name, spelling in self.spelled.items()}

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
        users = source.find("user", "users")
        if users is None:
            raise WrongSettings("--from: there is no table `user`: is it Better Auth's database?")
        self._users = named(users, tuple(USER), required=("id", "email"))
        accounts = source.find("account", "accounts")
        self._accounts = named(accounts, ACCOUNT, required=ACCOUNT[:4]) if accounts is not None else None
        sessions = source.find("session", "sessions")
        self._sessions = named(sessions, SESSION, required=SESSION[:4]) if sessions is not None else None

    @property
    def total(self) -> int:
        return self._source.count(self._users.table)

    @property
    def missing(self) -> list[str]:
        """The tables that are not there; sessions may be kept elsewhere."""
        found = {"account": self._accounts, "session": self._sessions}
        return [name for name, table in found.items() if table is None]

    def pages(self, report: Report) -> Iterator[list[Person]]:
        """Yield people, oldest spelling of an address first; what is left out is told to the report."""
        losers = self._losers()
        for rows in self._source.pages(self._users.table, self._users.spelled["id"], PAGE):
            people: dict[Any, Person] = {}
            for row in rows:
                source_id = row[self._users.spelled["id"]]
                if source_id in losers:
                    report.skip("users", "an older user has the same address in other letters", source_id)
                elif (person := self._person(row, report)) is not None:
                    people[source_id] = person
            self._add_accounts(people, report)
            self._add_sessions(people, report)
            yield list(people.values())

    def _losers(self) -> set[Any]:
        """Return the ids of those whose address an older user has too, once both are in small letters."""
        table, names = self._users.table, self._users.spelled
        lowered = func.lower(table.c[names["email"]])
        double = [row[0] for row in self._source.all(select(lowered).group_by(lowered).having(func.count() > 1))]
        losers: set[Any] = set()
        for first in range(0, len(double), PAGE):
            chosen = [table.c[names["id"]], lowered, *(table.c[names[n]] for n in ("createdAt",) if n in names)]
            found = self._source.all(select(*chosen).where(lowered.in_(double[first : first + PAGE])))
            by_email: dict[str, list[tuple[str, str, Any]]] = {}
            for user_id, email, *created in found:
                by_email.setdefault(email, []).append((str(created), str(user_id), user_id))
            for same in by_email.values():
                losers |= {user_id for _, _, user_id in sorted(same)[1:]}
        return losers

    def _person(self, row: Row, report: Report) -> Person | None:
        values = {USER[name]: value for name, value in self._users.values(row).items()}
        user = user_row(values, self._now, report)
        if user is None:
            return None
        user["additional"] = additional(self._users.rest(row), self._fields, user["id"], report)
        return Person(user)

    def _owned(self, named: Named, ids: Sequence[Any]) -> Iterator[Row]:
        """Yield the rows that belong to users."""
        if not ids:
            return
        theirs: ColumnClause[Any] = column(named.table.c[named.spelled["userId"]].name)
        for rows in self._source.pages(named.table, named.spelled["id"], OWNED_PAGE, theirs.in_(ids)):
            yield from map(named.values, rows)

    def _add_accounts(self, people: Mapping[Any, Person], report: Report) -> None:
        if self._accounts is None:
            return
        for values in self._owned(self._accounts, list(people)):
            person = people.get(values["userId"])
            if person is None:  # MySQL finds `ABC` for `abc`
                continue
            account_id = row_id(values["id"]) or new_id()
            try:
                if values["providerId"] == CREDENTIAL:
                    account = credential(person, account_id, values.get("password"), report)
                else:
                    account = self._linked.row(person, account_id, values, report)
            except ValueError:
                report.skip("accounts", "a time is none", account_id)
                continue
            if account is not None:
                person.accounts.append(account)

    def _add_sessions(self, people: Mapping[Any, Person], report: Report) -> None:
        if self._sessions is None:
            return
        for values in self._owned(self._sessions, list(people)):
            person = people.get(values["userId"])
            if person is None:
                continue
            try:
                session = self._session(person, values, report)
            except ValueError:
                report.skip("sessions", "a time is none", row_id(values["id"]))
                continue
            if session is not None and len(person.sessions) < MAX_SESSIONS:
                person.sessions.append(session)
            elif session is not None:
                report.skip("sessions", "the user has more than 1,000", person.id)

    def _session(self, person: Person, values: Row, report: Report) -> Row | None:
        session_id, token = row_id(values["id"]) or new_id(), str(values["token"] or "")
        expires = moment(values["expiresAt"])
        if not token or expires is None or expires <= self._now:
            report.skip("sessions", "expired", session_id)
            return None
        if person.user["banned"]:
            report.skip("sessions", "its user is banned", session_id)
            return None
        if values.get("impersonatedBy"):
            report.skip("sessions", "an administrator's session in somebody else's name", session_id)
            return None
        updated = moment(values.get("updatedAt")) or self._now
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
            "created_at": moment(values.get("createdAt")) or updated,
            "updated_at": updated,
        }
