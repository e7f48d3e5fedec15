"""Linked accounts: rows found by issuer and subject, with their tokens sealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, RowMapping, delete, insert, select, tuple_, update

from runtime.errors import FailedPrecondition, NotFound
from runtime.ids import new_id
from runtime.sealing import Sealer
from services.identity.oauth.tokens import Tokens, opened_tokens, sealed_columns, split_scopes
from services.identity.outbox.audit import Event, EventKind
from services.identity.passwords.tables import accounts
from services.identity.sessions.session import Origin
from services.identity.store.database import Transaction
from services.identity.stores import Stores
from services.identity.users.tables import users


@dataclass(frozen=True, slots=True)
class ProviderIdentity:
    """Identifies a person at a provider, by issuer and subject; never by email."""

    provider: str
    issuer: str
    account_id: str


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """An account of a user, without its tokens and password."""

    id: str
    user_id: str
    provider: str
    account_id: str
    scopes: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AccountTokens:
    """An account with its tokens."""

    account: LinkedAccount
    has_refresh_token: bool
    tokens: Tokens


class LinkedAccounts:
    """The accounts of a database's users."""

    def __init__(self, stores: Stores, sealer: Sealer) -> None:
        self._database = stores.database
        self._sessions = stores.sessions
        self._audit = stores.audit
        self._now = stores.now
        self._sealer = sealer

    async def list(self, user_id: str, limit: int, after: tuple[datetime, str] | None = None) -> list[LinkedAccount]:
        """Return up to `limit` accounts of a user, oldest first, after the sort key (created_at, id) if given."""
        key = (accounts.c.created_at, accounts.c.id)
        statement = select(accounts).where(accounts.c.user_id == user_id)
        if after is not None:
            statement = statement.where(tuple_(*key) > tuple_(*after, types=[part.type for part in key]))
        statement = statement.order_by(*key).limit(limit)
        return [linked_of(row) for row in await self._database.rows("accounts.list", statement)]

    async def find(self, user_id: str, row_id: str) -> AccountTokens:
        """Return one of a user's accounts. Raises NotFound (ACCOUNT_NOT_FOUND)."""
        statement = select(accounts).where(accounts.c.id == row_id, accounts.c.user_id == user_id)
        row = await self._database.row("accounts.find", statement)
        if row is None:
            raise not_found()
        values = row._mapping
        return AccountTokens(linked_of(row), values["refresh_token"] is not None, opened_tokens(self._sealer, values))

    async def unlink(
        self, user_id: str, row_id: str, *, session_id: str | None = None, origin: Origin | None = None
    ) -> None:
        """Delete one of a user's accounts. A person's session (`session_id`) must be less than a day old.

        Raises NotFound (ACCOUNT_NOT_FOUND) and FailedPrecondition (FAILED_TO_UNLINK_LAST_ACCOUNT, SESSION_NOT_FRESH).
        """

        async def work(transaction: Transaction) -> None:
            # Of two concurrent calls that delete the last two accounts, the second must see that one is left.
            owner = select(users.c.id).where(users.c.id == user_id).with_for_update()
            await transaction.execute(owner)
            if session_id is not None:
                await self._sessions.verify_fresh(transaction, user_id, session_id)
            rows = await transaction.execute(
                select(accounts.c.id, accounts.c.provider).where(accounts.c.user_id == user_id)
            )
            own = {row.id: row.provider for row in rows}
            if row_id not in own:
                raise not_found()
            if len(own) == 1:
                raise FailedPrecondition(
                    "FAILED_TO_UNLINK_LAST_ACCOUNT", "this is the only account: link another one first"
                )
            await transaction.execute(delete(accounts).where(accounts.c.id == row_id))
            event = Event(EventKind.ACCOUNT_UNLINKED, user_id, origin=origin or Origin(), detail=own[row_id])
            await self._audit.record(transaction, event)

        await self._database.transaction("accounts.unlink", work)

    async def find_locked(self, transaction: Transaction, identity: ProviderIdentity) -> RowMapping | None:
        """Return the row of an identity, locked; None if it is not linked.

        A row without an issuer was imported from a system without issuers. It counts as a row of this issuer.
        """
        found = await transaction.execute(
            select(accounts)
            .where(
                accounts.c.provider == identity.provider,
                accounts.c.issuer.in_({identity.issuer, ""}),
                accounts.c.account_id == identity.account_id,
            )
            .order_by(accounts.c.issuer.desc())
            .limit(1)
            .with_for_update()
        )
        row = found.first()
        return row._mapping if row else None

    async def insert(self, transaction: Transaction, user_id: str, identity: ProviderIdentity, tokens: Tokens) -> None:
        """Link an identity to a user.

        Raises DuplicateError if it is linked already, and OrphanError if the user does not exist.
        """
        now, row_id = self._now(), new_id()
        await transaction.execute(
            insert(accounts).values(
                id=row_id,
                created_at=now,
                updated_at=now,
                user_id=user_id,
                provider=identity.provider,
                issuer=identity.issuer,
                account_id=identity.account_id,
                scope=",".join(tokens.scopes) or None,
                **sealed_columns(self._sealer, row_id, tokens),
            )
        )

    async def store_tokens(
        self,
        transaction: Transaction,
        row: RowMapping,
        tokens: Tokens,
        *,
        issuer: str | None = None,
        more_scopes: Sequence[str] = (),
    ) -> None:
        """Store new tokens in a row, and reseal the others under the current key. Scopes are only added."""
        older = opened_tokens(self._sealer, row)
        scopes = dict.fromkeys((*older.scopes, *more_scopes))
        values = sealed_columns(self._sealer, row["id"], tokens.over(older))
        await transaction.execute(
            update(accounts)
            .where(accounts.c.id == row["id"])
            .values(
                **values,
                issuer=row["issuer"] if issuer is None else issuer,
                scope=",".join(scopes) or None,
                updated_at=self._now(),
            )
        )

    async def store_refreshed_tokens(self, row_id: str, tokens: Tokens) -> Tokens:
        """Store the tokens of a refresh; return all tokens of the account. Raises NotFound if it was deleted."""

        async def work(transaction: Transaction) -> Tokens:
            found = await transaction.execute(select(accounts).where(accounts.c.id == row_id).with_for_update())
            if (row := found.first()) is None:
                raise not_found()
            await self.store_tokens(transaction, row._mapping, tokens)
            return tokens.over(opened_tokens(self._sealer, row._mapping))

        return await self._database.transaction("accounts.renew_tokens", work)


def linked_of(row: Row[Any]) -> LinkedAccount:
    """Return the account that a row holds."""
    return LinkedAccount(
        row.id, row.user_id, row.provider, row.account_id, split_scopes(row.scope), row.created_at, row.updated_at
    )


def not_found() -> NotFound:
    return NotFound("ACCOUNT_NOT_FOUND", "this user has no such account")
