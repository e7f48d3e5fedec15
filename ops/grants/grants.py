"""What the users of one store are, and the statements that make them."""

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

PASSWORD_BYTES = 24
HIDDEN = "***"
AS_IT_IS = {"no_parameters": True}
"""Options of a statement without parameters, in which a driver would read a % as one."""


@dataclass(frozen=True, slots=True)
class User:
    """A user of a store. `password` is empty if the user is there already and keeps its own."""

    role: str
    name: str
    is_there: bool = False
    password: str = field(default="", repr=False)
    is_made: bool = False
    """Whether this command has made the password, so that it must be shown."""

    @property
    def shown(self) -> str:
        """The password as the operator sees it. A chosen one is known already."""
        return self.password if self.is_made else HIDDEN


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of Trivet's that are there, by what identity does with them."""

    written: tuple[str, ...]
    read: tuple[str, ...]

    @property
    def every(self) -> tuple[str, ...]:
        return self.written + self.read


@dataclass(frozen=True, slots=True)
class Grants:
    """The users of one store: the statements that make them, and how to run these, which returns notes.

    `addresses` are lines `VARIABLE=URL` by role. They hold the passwords that were made. `notes` are for the operator.
    """

    store: str
    statements: tuple[str, ...] = field(repr=False)
    apply: Callable[[], tuple[str, ...]]
    addresses: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """What the operator chose: how users are named, from where they connect, and their passwords by role."""

    prefix: str = "trivet"
    host: str = "%"
    """The host from which MariaDB and MySQL admit the users."""
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    renews: bool = False
    """Whether users that are there get new passwords."""

    def name_of(self, role: str) -> str:
        return f"{self.prefix}_{role}"

    def user(self, role: str, existing: Collection[str]) -> User:
        """Return a user with the chosen password, with a new one, or with its own if it is there already."""
        name, chosen = self.name_of(role), self.passwords.get(role, "")
        is_there = name in existing
        if chosen or (is_there and not self.renews):
            return User(role, name, is_there, chosen)
        return User(role, name, is_there, secrets.token_urlsafe(PASSWORD_BYTES), is_made=True)
