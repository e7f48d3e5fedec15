"""Users: reading, changing, removing and listing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Row, Select, asc, delete, desc, func, select, tuple_, update

from runtime.clock import Clock, utc_now
from runtime.errors import NotFound
from services.identity import schema
from services.identity.database import Database, Transaction
from services.identity.outbox import Outbox

users = schema.users
LAST_CHARACTER = "\U0010ffff"


class Role(Enum):
    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account, as a row holds it."""

    id: str
    email: str
    name: str
    image: str | None
    email_verified: bool
    role: Role
    banned: bool
    ban_reason: str | None
    ban_expires: datetime | None
    created_at: datetime
    updated_at: datetime

    def is_kept_out(self, now: datetime) -> bool:
        """Whether a ban is in force."""
        return self.banned and (self.ban_expires is None or self.ban_expires > now)


COLUMNS = tuple(users.c[name] for name in User.__dataclass_fields__)


def user_of(row: Row[Any] | Sequence[Any]) -> User:
    """Return the user in the first columns of a row that were selected as COLUMNS."""
    id_, email, name, image, verified, role, banned, reason, expires, created, updated = row[: len(COLUMNS)]
    return User(id_, email, name, image, verified, Role(role), banned, reason, expires, created, updated)


def tag_of(user_id: str) -> str:
    """Return the tag of everything in caches that is made of a user."""
    return f"user:{user_id}"


def not_found() -> NotFound:
    return NotFound("USER_NOT_FOUND", "there is no such user")


class Order(Enum):
    """How a list is sorted: by column, and whether backwards. The id settles ties."""

    NEWEST = ("created_at", True)
    OLDEST = ("created_at", False)
    EMAIL = ("email", False)
    EMAIL_BACKWARDS = ("email", True)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which users a list holds; what is None or empty does not matter."""

    email_prefix: str = ""
    role: Role | None = None
    banned: bool | None = None


class Users:
    """The users of a database. Their changes are told to caches before a method returns, as `Outbox` says."""

    def __init__(self, database: Database, outbox: Outbox, *, now: Clock = utc_now) -> None:
        self._database = database
        self._outbox = outbox
        self._now = now

    async def find(self, user_id: str) -> User | None:
        """Return a user, None if unknown."""
        row = await self._database.row("users.find", select(*COLUMNS).where(users.c.id == user_id))
        return user_of(row) if row else None

    async def update(self, user_id: str, changes: dict[str, str | None]) -> User:
        """Set the columns in `changes`, and return the user. Raises NotFound."""

        async def work(transaction: Transaction) -> User:
            found = await transaction.execute(
                update(users).where(users.c.id == user_id).values(**changes, updated_at=self._now())
            )
            if found.rowcount == 0:
                raise not_found()
            await self._outbox.add(transaction, tag_of(user_id))
            row = (await transaction.execute(select(*COLUMNS).where(users.c.id == user_id))).one()
            return user_of(row)

        return await self._database.transaction("users.update", work)

    async def delete(self, user_id: str) -> None:
        """Remove a user with sessions, accounts and subscriptions. Raises NotFound."""

        async def work(transaction: Transaction) -> None:
            if (await transaction.execute(delete(users).where(users.c.id == user_id))).rowcount == 0:
                raise not_found()
            await self._outbox.add(transaction, tag_of(user_id))

        await self._database.transaction("users.delete", work)

    async def list(
        self,
        wanted: Filter,
        order: Order,
        limit: int,
        *,
        after: tuple[datetime | str, str] | None = None,
        offset: int = 0,
    ) -> list[User]:
        """Return up to `limit` users behind the sort key `after` (the ordered column and the id), or the `offset`th."""
        column, backwards = order.value
        key = (users.c[column], users.c.id)
        statement = _matching(select(*COLUMNS), wanted)
        if after is not None:
            place = tuple_(*after, types=[part.type for part in key])
            statement = statement.where(tuple_(*key) < place if backwards else tuple_(*key) > place)
        direction = desc if backwards else asc
        statement = statement.order_by(*(direction(part) for part in key)).limit(limit).offset(offset)
        return [user_of(row) for row in await self._database.rows("users.list", statement)]

    async def count(self, wanted: Filter) -> int:
        """Return how many users match."""
        row = await self._database.row("users.count", _matching(select(func.count()).select_from(users), wanted))
        return int(row[0]) if row else 0


def _matching(statement: Select[Any], wanted: Filter) -> Select[Any]:
    if prefix := wanted.email_prefix.lower():
        # A range, where no character has a meaning of its own and which every engine serves from the unique index.
        statement = statement.where(users.c.email >= prefix, users.c.email < prefix + LAST_CHARACTER)
    if wanted.role is not None:
        statement = statement.where(users.c.role == wanted.role.value)
    if wanted.banned is not None:
        statement = statement.where(users.c.banned == wanted.banned)
    return statement
