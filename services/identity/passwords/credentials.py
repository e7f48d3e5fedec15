"""Credentials: a user's password account, with the hash of the password."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update

from runtime.clock import Clock, utc_now
from runtime.ids import new_id
from services.identity.passwords.tables import accounts
from services.identity.store.compiled_reads import StaticSelect, Values
from services.identity.store.database import Database, Transaction
from services.identity.users.tables import users
from services.identity.users.users import COLUMNS as USER_COLUMNS
from services.identity.users.users import User, user_of

CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class Credential:
    """A user and the hash of the password, None without a password."""

    user: User
    password: str | None


_OWN = (accounts.c.user_id == users.c.id) & (accounts.c.provider == CREDENTIAL)
_CREDENTIAL = select(*USER_COLUMNS, accounts.c.password).outerjoin_from(users, accounts, _OWN)
BY_EMAIL = StaticSelect("accounts.by_email", _CREDENTIAL.where(users.c.email == bindparam("email")))
BY_USER = StaticSelect("accounts.by_user", _CREDENTIAL.where(users.c.id == bindparam("user_id")))


def _credential(row: Values | None) -> Credential | None:
    return Credential(user_of(row), row[-1]) if row else None


class Credentials:
    """The credentials in a database."""

    def __init__(self, database: Database, *, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now

    async def by_email(self, email: str) -> Credential | None:
        """Return the user with this email and the password hash, with one statement; None if the email is unknown."""
        return _credential(await self._database.first(BY_EMAIL, email=email))

    async def by_user(self, user_id: str) -> Credential | None:
        """Return a user and the password hash, with one statement; None if the user is unknown."""
        return _credential(await self._database.first(BY_USER, user_id=user_id))

    async def add_credential(self, transaction: Transaction, user_id: str, password_hash: str) -> None:
        """Add a password to a user. Raises DuplicateError if the user has one."""
        now = self._now()
        await transaction.execute(
            insert(accounts).values(
                id=new_id(),
                created_at=now,
                updated_at=now,
                user_id=user_id,
                account_id=user_id,
                provider=CREDENTIAL,
                issuer="",
                password=password_hash,
            )
        )

    async def set_password(self, transaction: Transaction, user_id: str, password_hash: str) -> None:
        """Set a user's password, or add one. Raises DuplicateError if a concurrent transaction adds one."""
        found = await transaction.execute(
            update(accounts)
            .where(accounts.c.user_id == user_id, accounts.c.provider == CREDENTIAL)
            .values(password=password_hash, updated_at=self._now())
        )
        if found.rowcount == 0:
            await self.add_credential(transaction, user_id, password_hash)

    async def password_changed_at(self, transaction: Transaction, user_id: str) -> datetime | None:
        """Return when a user's password was last changed, None if it never was, or without a password."""
        times = select(accounts.c.created_at, accounts.c.updated_at).where(
            accounts.c.user_id == user_id, accounts.c.provider == CREDENTIAL
        )
        row = (await transaction.execute(times)).first()
        return row.updated_at if row and row.updated_at > row.created_at else None

    async def unlink_providers(self, transaction: Transaction, user_id: str) -> None:
        """Delete all accounts of a user at providers. The password stays."""
        await transaction.execute(
            delete(accounts).where(accounts.c.user_id == user_id, accounts.c.provider != CREDENTIAL)
        )

    async def has_password(self, transaction: Transaction, user_id: str, password_hash: str) -> bool:
        """Whether a user has this password hash. Locks it until the transaction ends."""
        same = select(accounts.c.id).where(
            accounts.c.user_id == user_id, accounts.c.provider == CREDENTIAL, accounts.c.password == password_hash
        )
        return (await transaction.execute(same.with_for_update())).first() is not None

    async def replace_password(self, transaction: Transaction, user_id: str, old_hash: str, new_hash: str) -> bool:
        """Replace a password hash. Returns False if the user's hash is no longer `old_hash`."""
        found = await transaction.execute(
            update(accounts)
            .where(accounts.c.user_id == user_id, accounts.c.provider == CREDENTIAL, accounts.c.password == old_hash)
            .values(password=new_hash, updated_at=self._now())
        )
        return found.rowcount > 0
