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
    additional: str | None = None  # a JSON object, see `fields.py`

    def is_banned_at(self, now: datetime) -> bool:
        """Whether a ban is in force."""
        return self.banned and (self.ban_expires is None or self.ban_expires > now)


COLUMNS = tuple(users.c[name] for name in User.__dataclass_fields__)
BY_ID = StaticSelect("users.find", select(*COLUMNS).where(users.c.id == bindparam("user_id")))


def user_of(row: Row[Any] | Sequence[Any]) -> User:
    """Return the user in the first columns of a row that were selected as COLUMNS."""
    id_, email, name, image, verified, role, banned, reason, expires, created, updated, more = row[: len(COLUMNS)]
    return User(id_, email, name, image, verified, Role(role), banned, reason, expires, created, updated, more)


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
    NAME = ("name", False)
    NAME_BACKWARDS = ("name", True)


@dataclass(frozen=True, slots=True)
class RemovableUser:
    """A locked user whose deletion, ban or demotion leaves an administrator: `Users.find_removable` alone makes it."""

    user: User


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users a list holds; what is None or empty does not matter."""

    email_prefix: str = ""
    role: Role | None = None
    banned: bool | None = None
    email_verified: bool | None = None
    query: str = ""


class Users:
    """The users of a database. Their changes are told to caches before a method returns, as `Outbox` says."""

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
        """Set the columns in `changes` and the members in `additional`, and return the user.

        Other members stay, also when a concurrent call changes them. Raises NotFound, and InvalidArgument for too much.
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
        """Remove a user with sessions, accounts and subscriptions, and have the other services forget them.

        Only `UserDeletion` calls it, which audits every deletion.
        """
        user_id = removable.user.id
        # Explicitly, while the user is locked: TiDB's cascade can miss a row that is inserted at this moment.
        for table in tables_of_users():
            await transaction.execute(delete(table).where(table.c.user_id == user_id))
        await transaction.execute(delete(users).where(users.c.id == user_id))
        await self._outbox.put(transaction, erasure.TOPIC, user_id, erasure.payload(user_id))
        await self._outbox.add(transaction, tag_of(user_id))

    async def find_locked(self, transaction: Transaction, user_id: str) -> User:
        """Return a user who changes no more before the transaction has ended. Raises NotFound."""
        row = (await transaction.execute(select(*COLUMNS).where(users.c.id == user_id).with_for_update())).first()
        if row is None:
            raise not_found()
        return user_of(row)

    async def find_removable(self, transaction: Transaction, user_id: str) -> RemovableUser:
        """Lock a user who is about to be deleted, banned or demoted.

        Raises NotFound, and FailedPrecondition (LAST_ADMIN) if no other administrator who is not banned would be left.
        """
        role = (await transaction.execute(select(users.c.role).where(users.c.id == user_id))).scalar()
        # Administrators are locked in one order: of two who put each other out the second waits, and is refused.
        admins = await self._locked_admins(transaction) if role == Role.ADMIN.value else set()
        user = await self.find_locked(transaction, user_id)
        if user.role is Role.ADMIN and role != Role.ADMIN.value:  # promoted between the two statements
            admins = await self._locked_admins(transaction)
        if admins == {user_id}:
            raise FailedPrecondition("LAST_ADMIN", "this is the last administrator: make another one first")
        return RemovableUser(user)

    async def _locked_admins(self, transaction: Transaction) -> set[str]:
        """Return the ids of the administrators who are not banned. All administrators are locked."""
        admins = select(users.c.id, users.c.banned, users.c.ban_expires).where(users.c.role == Role.ADMIN.value)
        rows = await transaction.execute(admins.order_by(users.c.id).with_for_update())
        now = self._now()
        return {row.id for row in rows if not row.banned or (row.ban_expires is not None and row.ban_expires <= now)}

    async def find_locked_by_email(self, transaction: Transaction, email: str) -> User | None:
        """Return the user with an address, who does not change before the transaction has ended; None if unknown."""
        row = (await transaction.execute(select(*COLUMNS).where(users.c.email == email).with_for_update())).first()
        return user_of(row) if row else None

    async def verify_email(self, transaction: Transaction, user_id: str) -> User:
        """Write that a user's address is proved; return the user. Raises NotFound."""
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
        """Return up to `limit` users behind the sort key `after` (the ordered column and the id), or the `offset`th."""
        column, backwards = order.value
        key = (users.c.email,) if column == "email" else (users.c[column], users.c.id)  # an address has no ties
        statement = _matching(select(*COLUMNS), wanted)
        if after is not None:
            statement = statement.where(*_behind(key, after, backwards=backwards))
        direction = desc if backwards else asc
        statement = statement.order_by(*(direction(part) for part in key)).limit(limit).offset(offset)
        return [user_of(row) for row in await self._database.rows("users.list", statement)]

    async def count(self, wanted: UserFilter) -> int:
        """Return how many users match."""
        row = await self._database.row("users.count", _matching(select(func.count()).select_from(users), wanted))
        return int(row[0]) if row else 0


def _behind(
    key: Sequence[Column[Any]], after: Sequence[datetime | str], *, backwards: bool
) -> list[ColumnElement[bool]]:
    """Return the conditions of being behind a place. MariaDB enters no index at a tuple, only at one of its parts."""
    if len(key) == 1:
        return [key[0] < after[0] if backwards else key[0] > after[0]]
    place = tuple_(*after, types=[part.type for part in key])
    if backwards:
        return [key[0] <= after[0], tuple_(*key) < place]
    return [key[0] >= after[0], tuple_(*key) > place]


def _begins(column: Column[Any], prefix: str) -> ColumnElement[bool]:
    """Return that a text begins with a prefix: a range, where no character has a meaning of its own (as in LIKE), and
    which every engine serves from an index."""
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
