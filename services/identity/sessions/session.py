"""What a session is: its values, its columns, and the tags of what caches make of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from runtime.ids import token_hash
from services.identity.outbox.outbox import Invalidation
from services.identity.sessions.tables import sessions
from services.identity.users.users import User


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lives, and how old its last refresh must be before the next."""

    expires: timedelta = timedelta(days=7)
    update: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a session is opened. `remember=False` makes it one of a day that is never refreshed."""

    ip_address: str = ""
    user_agent: str = ""
    remember: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in device, as a row holds it but for its token's hash."""

    id: str
    user_id: str
    expires_at: datetime
    remembered: bool
    ip_address: str
    user_agent: str
    created_at: datetime
    updated_at: datetime
    additional: str | None = None  # a JSON object, see `fields.py`

    def slides_at(self, lifetimes: Lifetimes) -> datetime:
        """Return from when on a refresh moves its end: Better Auth's rule; never before the end if unremembered."""
        return self.expires_at - lifetimes.expires + lifetimes.update if self.remembered else self.expires_at


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session, and the only copy of the token that opens it."""

    session: Session
    token: str

    @property
    def row(self) -> dict[str, Any]:
        values = {name: getattr(self.session, name) for name in Session.__dataclass_fields__}
        return values | {"token_hash": token_hash(self.token)}


@dataclass(frozen=True, slots=True)
class VerifiedSession:
    """A session that is open, whose it is, and from when on a refresh moves its end."""

    session: Session
    user: User
    slides_at: datetime


@dataclass(frozen=True, slots=True)
class Revocation:
    """How many sessions were ended, and whether every cache has dropped them by now.

    Where none was, nothing is known: an earlier call may have ended it, and its caches may still have to hear of it.
    """

    count: int
    confirmed: bool

    @classmethod
    def of(cls, outcome: tuple[int, Invalidation | None]) -> "Revocation":
        """Return the result of a transaction that deleted sessions, after its commit."""
        count, invalidation = outcome
        return cls(count, invalidation is not None and invalidation.confirmed)


COLUMNS = tuple(sessions.c[name] for name in Session.__dataclass_fields__)


def session_of(row: Row[Any] | Sequence[Any]) -> Session:
    """Return the session in the last columns of a row that were selected as COLUMNS."""
    return Session(*row[-len(COLUMNS) :])


def tag_of(session_id: str) -> str:
    """Return the tag of everything in caches that is made of a session."""
    return f"session:{session_id}"


def tag_of_all(user_id: str) -> str:
    """Return the tag of everything in caches that is made of any of a user's sessions."""
    return f"sessions:{user_id}"
