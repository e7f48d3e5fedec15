"""The values of a session, its columns, and its cache tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from runtime.ids import token_hash
from services.identity.outbox.delivery import Invalidation
from services.identity.sessions.tables import sessions
from services.identity.users.users import User


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The lifetime of a session, and the minimum age of its last refresh before the next."""

    expires: timedelta = timedelta(days=7)
    update: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Origin:
    """The client that opens a session. `remember=False` opens a session of one day that is never refreshed."""

    ip_address: str = ""
    user_agent: str = ""
    remember: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """A session, as the row stores it, without the hash of the token."""

    id: str
    user_id: str
    expires_at: datetime
    remembered: bool
    ip_address: str
    user_agent: str
    created_at: datetime
    updated_at: datetime
    additional: str | None = None  # a JSON object, see `custom_fields.py`

    def slides_at(self, lifetimes: Lifetimes) -> datetime:
        """Return the time from which a refresh extends the session. A session of one day is never extended."""
        return self.expires_at - lifetimes.expires + lifetimes.update if self.remembered else self.expires_at


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A new session and its token, which is not stored."""

    session: Session
    token: str

    @property
    def row(self) -> dict[str, Any]:
        values = {name: getattr(self.session, name) for name in Session.__dataclass_fields__}
        return values | {"token_hash": token_hash(self.token)}


@dataclass(frozen=True, slots=True)
class VerifiedSession:
    """An active session, its user, and the time from which a refresh extends it."""

    session: Session
    user: User
    slides_at: datetime


@dataclass(frozen=True, slots=True)
class Revocation:
    """The number of sessions that were ended, and whether every cache has dropped them.

    With a count of 0, `confirmed` is False: an earlier call may have ended the session, without confirmation so far.
    """

    count: int
    confirmed: bool

    @classmethod
    def of(cls, outcome: tuple[int, Invalidation | None]) -> "Revocation":
        """Return the result of a transaction that deleted sessions. Call it after the commit."""
        count, invalidation = outcome
        return cls(count, invalidation is not None and invalidation.confirmed)


COLUMNS = tuple(sessions.c[name] for name in Session.__dataclass_fields__)


def session_of(row: Row[Any] | Sequence[Any]) -> Session:
    """Return the session in a row that ends with COLUMNS."""
    return Session(*row[-len(COLUMNS) :])


def tag_of(session_id: str) -> str:
    """Return the cache tag of all entries that contain a session."""
    return f"session:{session_id}"


def tag_of_all(user_id: str) -> str:
    """Return the cache tag of all entries that contain any session of a user."""
    return f"sessions:{user_id}"
