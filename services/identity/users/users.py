"""Users: reading, changing, removing and listing them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Select,
    and_,
    asc,
    bindparam,
    delete,
    desc,
    func,
    or_,
    select,
    tuple_,
    update,
)

from runtime.clock import Clock, utc_now
from runtime.errors import FailedPrecondition, NotFound
from services.identity.outbox import erasure
from services.identity.outbox.outbox import Outbox
from services.identity.store.compiled_reads import StaticSelect
from services.identity.store.database import Database, Transaction
from services.identity.users.custom_fields import merged
from services.identity.users.tables import tables_of_users, users

LAST_CHARACTER = "\U0010ffff"


class Role(Enum):
    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """A user, as the row stores it."""

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
    additional: str | None = None  # a JSON object, see `custom_fields.py`

    def is_banned_at(self, now: datetime) -> bool:
        """Whether a ban is in force."""
        return self.banned and (self.ban_expires is None or self.ban_expires > now)


COLUMNS = tuple(users.c[name] for name in User.__dataclass_fields__)
BY_ID = StaticSelect("users.find", select(*COLUMNS).where(users.c.id == bindparam("user_id")))


def user_of(row: Row[Any] | Sequence[Any]) -> User:
    """Return the user in a row that begins with COLUMNS."""
    id_, email, name, image, verified, role, banned, reason, expires, created, updated, more = row[: len(COLUMNS)]
    return User(id_, email, name, image, verified, Role(role), banned, reason, expires, created, updated, more)


def tag_of(user_id: str) -> str:
    """Return the cache tag of all entries that contain a user."""
    return f"user:{user_id}"


def not_found() -> NotFound:
    return NotFound("USER_NOT_FOUND", "there is no such user")


class Order(Enum):
    """The order of a list: the column, and whether it is descending. Rows with equal values are sorted by id."""

    NEWEST = ("created_at", True)
    OLDEST = ("created_at", False)
    EMAIL = ("email", False)
    EMAIL_BACKWARDS = ("email", True)
    NAME = ("name", False)
    NAME_BACKWARDS = ("name", True)


@dataclass(frozen=True, slots=True)
class RemovableUser:
    """A locked user whose deletion, ban or demotion leaves an administrator. Only `Users.find_removable` creates it."""

    user: User


@dataclass(frozen=True, slots=True)
class UserFilter:
    """A filter of users. A field that is None or empty matches all."""

    email_prefix: str = ""
    role: Role | None = None
    banned: bool | None = None
    email_verified: bool | None = None
    query: str = ""


class Users:
    """The users of a database. A change invalidates the caches before a method returns, as `Outbox` describes."""

    def __init__(self, database: Database, outbox: Outbox, *, now: Clock = utc_now) -> None:
        self._database = database
        self._outbox = outbox
        self._now = now

    async def find(self, user_id: str) -> User | None:
        """Return a user, None if unknown."""
        row = await self._database.first(BY_ID, user_id=user_id)
        return user_of(row) if row else None

    async def update(
        self, user_id: str, changes: Mapping[str, Any], additional: Mapping[str, Any] = MappingProxyType({})
    ) -> User:
        """Set the columns in `changes` and the custom fields in `additional`; return the user.

        Other custom fields keep their values, also those that a concurrent call sets. Raises NotFound, and
        InvalidArgument (ADDITIONAL_TOO_LARGE).
        """

        async def work(transaction: Transaction) -> User:
            row = (await transaction.execute(select(*COLUMNS).where(users.c.id == user_id).with_for_update())).first()
            if row is None:
                raise not_found()
            user = user_of(row)
            values = dict(changes, updated_at=self._now())
            if additional:
                values["additional"] = merged(user.additional, additional)
            await transaction.execute(update(users).where(users.c.id == user_id).values(**values))
            await self._outbox.add(transaction, tag_of(user_id))
            return replace(user, **values)

        return await self._database.transaction("users.update", work)

    async def remove(self, transaction: Transaction, removable: RemovableUser) -> None:
        """Delete a user with all sessions, accounts and subscriptions, and make other services erase the user's data.

        Only `UserDeletion` calls it, which records an audit event.
        """
        user_id = removable.user.id
        # Explicitly, while the user is locked: TiDB's cascade can miss a row that is inserted concurrently.
        for table in tables_of_users():
            await transaction.execute(delete(table).where(table.c.user_id == user_id))
        await transaction.execute(delete(users).where(users.c.id == user_id))
        await self._outbox.put(transaction, erasure.TOPIC, user_id, erasure.payload(user_id))
        await self._outbox.add(transaction, tag_of(user_id))

    async def find_locked(self, transaction: Transaction, user_id: str) -> User:
        """Return a user, locked until the transaction ends. Raises NotFound."""
        row = (await transaction.execute(select(*COLUMNS).where(users.c.id == user_id).with_for_update())).first()
        if row is None:
            raise not_found()
        return user_of(row)

    async def find_removable(self, transaction: Transaction, user_id: str) -> RemovableUser:
        """Lock a user who will be deleted, banned or demoted.

        Raises NotFound, and FailedPrecondition (LAST_ADMIN) if no other administrator who is not banned would remain.
        """
        role = (await transaction.execute(select(users.c.role).where(users.c.id == user_id))).scalar()
        # Administrators are locked in one order: of two who demote each other, the second waits and then fails.
        admins = await self._locked_admins(transaction) if role == Role.ADMIN.value else set()
        user = await self.find_locked(transaction, user_id)
        if user.role is Role.ADMIN and role != Role.ADMIN.value:  # promoted between the two statements
            admins = await self._locked_admins(transaction)
        if admins == {user_id}:
            raise FailedPrecondition(
                "LAST_ADMIN", "this is the last administrator: make another user an administrator first"
            )
        return RemovableUser(user)

    async def _locked_admins(self, transaction: Transaction) -> set[str]:
        """Return the ids of the administrators who are not banned. All administrators are locked."""
        admins = select(users.c.id, users.c.banned, users.c.ban_expires).where(users.c.role == Role.ADMIN.value)
        rows = await transaction.execute(admins.order_by(users.c.id).with_for_update())
        now = self._now()
        return {row.id for row in rows if not row.banned or (row.ban_expires is not None and row.ban_expires <= now)}

    async def find_locked_by_email(self, transaction: Transaction, email: str) -> User | None:
        """Return the user with an email address, locked until the transaction ends; None if there is none."""
        row = (await transaction.execute(select(*COLUMNS).where(users.c.email == email).with_for_update())).first()
        return user_of(row) if row else None

    async def verify_email(self, transaction: Transaction, user_id: str) -> User:
        """Mark a user's email as verified; return the user. Raises NotFound."""
        return await self._set(transaction, user_id, email_verified=True)

    async def change_email(self, transaction: Transaction, user_id: str, new_email: str) -> User:
        """Change a user's email; return the user. Raises DuplicateError if another user has it, and NotFound."""
        return await self._set(transaction, user_id, email=new_email)

    async def _set(self, transaction: Transaction, user_id: str, **values: Any) -> User:
        await transaction.execute(update(users).where(users.c.id == user_id).values(**values, updated_at=self._now()))
        await self._outbox.add(transaction, tag_of(user_id))
        return await self.find_locked(transaction, user_id)

    async def list(
        self,
        wanted: UserFilter,
        order: Order,
        limit: int,
        *,
        after: tuple[datetime | str, str] | None = None,
        offset: int = 0,
    ) -> list[User]:
        """Return up to `limit` users after the sort key `after`, or after the first `offset` users."""
        column, backwards = order.value
        key = (users.c.email,) if column == "email" else (users.c[column], users.c.id)  # emails are unique
        statement = _matching(select(*COLUMNS), wanted)
        if after is not None:
            statement = statement.where(*_after(key, after, backwards=backwards))
        direction = desc if backwards else asc
        statement = statement.order_by(*(direction(part) for part in key)).limit(limit).offset(offset)
        return [user_of(row) for row in await self._database.rows("users.list", statement)]

    async def count(self, wanted: UserFilter) -> int:
        """Return how many users match."""
        row = await self._database.row("users.count", _matching(select(func.count()).select_from(users), wanted))
        return int(row[0]) if row else 0


def _after(
    key: Sequence[Column[Any]], after: Sequence[datetime | str], *, backwards: bool
) -> list[ColumnElement[bool]]:
    """Return the conditions for rows after a sort key. MariaDB uses an index only for a condition on one column."""
    if len(key) == 1:
        return [key[0] < after[0] if backwards else key[0] > after[0]]
    sort_key = tuple_(*after, types=[part.type for part in key])
    if backwards:
        return [key[0] <= after[0], tuple_(*key) < sort_key]
    return [key[0] >= after[0], tuple_(*key) > sort_key]


def _begins(column: Column[Any], prefix: str) -> ColumnElement[bool]:
    """Return the condition that a text begins with a prefix.

    It is a range, which every engine serves from an index, and in which no character is a wildcard, as in LIKE.
    """
    return and_(column >= prefix, column < prefix + LAST_CHARACTER)


def _matching(statement: Select[Any], wanted: UserFilter) -> Select[Any]:
    if prefix := wanted.email_prefix.lower():
        statement = statement.where(_begins(users.c.email, prefix))
    if query := wanted.query:
        names = {query, query.lower(), query.upper(), query.capitalize(), query.title()}
        by_name = (_begins(users.c.name, name) for name in sorted(names))
        statement = statement.where(or_(_begins(users.c.email, query.lower()), *by_name))
    if wanted.role is not None:
        statement = statement.where(users.c.role == wanted.role.value)
    if wanted.banned is not None:
        statement = statement.where(users.c.banned == wanted.banned)
    if wanted.email_verified is not None:
        statement = statement.where(users.c.email_verified == wanted.email_verified)
    return statement
