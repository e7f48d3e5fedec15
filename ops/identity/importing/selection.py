"""Selects the users, accounts and sessions to import, and reports why others are skipped."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from ops.identity.importing.claims import Key
from ops.identity.importing.report import Report
from ops.identity.importing.source.source import Row
from ops.identity.importing.users import ImportedUser, OwnedRow

HERE = "the user is here already and keeps what is here"
IN_SOURCE = "another row of the source has the same {}"
IN_DATABASE = "a user here has the same {}"
ADDRESS_HERE = "another user here has the same email address"


def user_key(person: ImportedUser) -> Key:
    return "user", person.id


def email_key(person: ImportedUser) -> Key:
    return "email", person.email


def account_keys(row: Row) -> Mapping[Key, str]:
    """Return an account's unique values, each with its name in a report."""
    return {
        ("account", row["id"]): "id",
        ("linked", row["account_id"], row["provider"], row["issuer"]): "account at the provider",
    }


def session_keys(row: Row) -> Mapping[Key, str]:
    """Return a session's unique values, each with its name in a report."""
    return {("session", row["id"]): "id", ("token", row["token_hash"]): "token"}


def unique_values(people: Sequence[ImportedUser]) -> set[Key]:
    """Return all unique values of the users, of their accounts and of their sessions."""
    found: set[Key] = set()
    for person in people:
        found |= {user_key(person), email_key(person)}
        for account in person.accounts:
            found |= account_keys(account.row).keys()
        for session in person.sessions:
            found |= session_keys(session.row).keys()
    return found


@dataclass
class Selection:
    """The rows to insert, and the report about all rows of the users.

    `here` are unique values in our database, `claimed` those of rows that this run selected before. Both can have
    other values too. `claims` are the values that this selection adds.
    """

    here: Set[Key]
    claimed: Set[Key]
    claims: set[Key] = field(default_factory=set)
    users: list[Row] = field(default_factory=list)
    accounts: list[Row] = field(default_factory=list)
    sessions: list[Row] = field(default_factory=list)
    report: Report = field(default_factory=Report)

    def add(self, person: ImportedUser) -> None:
        """Select a user with all rows, or skip all of them. Of two with one id or address, the first is selected."""
        user, email = user_key(person), email_key(person)
        if self._is_claimed(user):
            person.leave_out(IN_SOURCE.format("id"), self.report)
        elif user in self.here:
            self.claims.add(user)
            self.report.count("users", "already here")
            person.leave_out_owned(HERE, self.report)
        elif self._is_claimed(email) or email in self.here:
            self.claims.add(user)
            person.leave_out(IN_SOURCE.format("address") if self._is_claimed(email) else ADDRESS_HERE, self.report)
        else:
            self.claims |= {user, email}
            self._take(person)

    def _take(self, person: ImportedUser) -> None:
        self.users.append(person.user)
        self.report.add(person.report)
        for account in person.accounts:
            if self._is_free("accounts", account, account_keys(account.row)):
                self.accounts.append(account.row)
        for session in person.sessions:
            if self._is_free("sessions", session, session_keys(session.row)):
                self.sessions.append(session.row)

    def _is_free(self, of: str, owned: OwnedRow, keys: Mapping[Key, str]) -> bool:
        """Claim the unique values of a row. Reports the row and returns False if one of them is taken."""
        for key, name in keys.items():
            if self._is_claimed(key) or key in self.here:
                template = IN_SOURCE if self._is_claimed(key) else IN_DATABASE
                self.report.skip(of, template.format(name), owned.source_id)
                return False
        self.claims |= keys.keys()
        return True

    def _is_claimed(self, key: Key) -> bool:
        return key in self.claims or key in self.claimed
