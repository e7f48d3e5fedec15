"""The rules of account linking: when an identity at a provider opens a session, creates a user, or is linked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import insert, select, update

from runtime.errors import PermissionDenied
from runtime.ids import new_id
from services.identity.oauth.errors import OAuthError
from services.identity.oauth.linked_accounts import LinkedAccounts, ProviderIdentity
from services.identity.oauth.providers.profiles import Profile
from services.identity.oauth.providers.settings import OAuthRules
from services.identity.oauth.tokens import Tokens
from services.identity.outbox.audit import Event, EventKind
from services.identity.sessions.session import OpenedSession, Origin
from services.identity.sessions.session_gate import Method, Proof
from services.identity.store.database import Transaction
from services.identity.store.faults.errors import DuplicateError
from services.identity.stores import Stores
from services.identity.users.tables import users
from services.identity.users.users import COLUMNS, Role, User, tag_of, user_of

VerifyNew = Callable[[Transaction, User, str], Awaitable[None]]
"""Mails a new user a link that verifies the email and leads on to a callback URL."""


@dataclass(frozen=True, slots=True)
class ProviderAssertion:
    """What a provider asserts at a sign-in: an identity, the profile of the person, and the tokens."""

    identity: ProviderIdentity
    profile: Profile
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class ProviderSignIn:
    """A user who signed in at a provider, the new session, and whether the user was created."""

    user: User
    opened: OpenedSession
    created: bool = False


class AccountLinking:
    """Applies the rules. An email that the provider has not verified gives no access to an existing user."""

    def __init__(
        self, stores: Stores, *, linked: LinkedAccounts, rules: OAuthRules, verify_new: VerifyNew | None = None
    ) -> None:
        self._database = stores.database
        self._sessions = stores.sessions
        self._outbox = stores.outbox
        self._audit = stores.audit
        self._now = stores.now
        self._linked = linked
        self._rules = rules
        self._verify_new = verify_new

    async def sign_in(
        self, assertion: ProviderAssertion, origin: Origin, *, may_sign_up: bool, callback_url: str = ""
    ) -> ProviderSignIn:
        """Open a session for the user with this identity. If there is none, link it by verified email or create a user.

        `callback_url` is the page after the link of the verification mail, which a new user gets if the provider has
        not verified the email.
        Raises OAuthError (email_not_found, account_not_linked, signup_disabled) and PermissionDenied (BANNED_USER).
        """
        if not assertion.profile.email:
            raise OAuthError("email_not_found")

        async def work(transaction: Transaction) -> ProviderSignIn:
            signed_in = await self._sign_in(transaction, assertion, origin, may_sign_up=may_sign_up)
            if signed_in.created and not signed_in.user.email_verified and self._verify_new is not None:
                await self._verify_new(transaction, signed_in.user, callback_url)
            return signed_in

        try:
            try:
                return await self._database.transaction("oauth.enter", work)
            except DuplicateError:  # a concurrent call inserted the identity or the email, and is found now
                return await self._database.transaction("oauth.enter", work)
        except DuplicateError:
            raise OAuthError("unable_to_create_user") from None
        except _BannedError as error:
            event = Event(EventKind.SIGN_IN_FAILED, error.user_id, origin=origin, detail="banned")
            await self._audit.record_alone(event)
            raise PermissionDenied("BANNED_USER", "This user is banned") from None

    async def link(
        self,
        assertion: ProviderAssertion,
        user_id: str,
        email: str | None,
        origin: Origin,
        *,
        session_id: str | None = None,
    ) -> None:
        """Link an identity to a user. If it is linked already, store its new tokens and scopes.

        `email` is the user's email at the time of the request, None for the current one. If the session of the request
        (`session_id`) has ended since, nothing is linked. Raises OAuthError
        (unable_to_link_account, email_does_not_match, account_already_linked_to_different_user).
        """
        if not self.has_verified_email(assertion):
            raise OAuthError("unable_to_link_account")

        async def work(transaction: Transaction) -> None:
            await self._link(transaction, assertion, user_id, email, origin, session_id)

        try:
            try:
                await self._database.transaction("oauth.link", work)
            except DuplicateError:
                await self._database.transaction("oauth.link", work)
        except DuplicateError:
            raise OAuthError("unable_to_link_account") from None

    async def owner(self, identity: ProviderIdentity) -> str | None:
        """Return the id of the user who has an identity, None if there is none."""

        async def work(transaction: Transaction) -> str | None:
            row = await self._linked.find_locked(transaction, identity)
            return str(row["user_id"]) if row else None

        return await self._database.transaction("oauth.owner", work)

    def has_verified_email(self, assertion: ProviderAssertion) -> bool:
        """Whether the email counts as verified: the provider has verified it, or is trusted."""
        return assertion.profile.email_verified or assertion.identity.provider in self._rules.trusted

    def allows_email(self, assertion: ProviderAssertion, email: str) -> bool:
        """Whether an identity with the provider's email can be linked to a user with `email`."""
        return self._rules.links_different_emails or assertion.profile.email == email

    async def _sign_in(
        self, transaction: Transaction, assertion: ProviderAssertion, origin: Origin, *, may_sign_up: bool
    ) -> ProviderSignIn:
        row = await self._linked.find_locked(transaction, assertion.identity)
        if row is not None:
            user = await self._user(transaction, users.c.id == row["user_id"])
            assert user is not None, "an account has a user: the foreign key"
            await self._linked.store_tokens(transaction, row, assertion.tokens, issuer=assertion.identity.issuer)
        else:
            user = await self._user(transaction, users.c.email == assertion.profile.email)
            if user is None:
                return await self._sign_up(transaction, assertion, origin, may_sign_up=may_sign_up)
            if not self.has_verified_email(assertion) or (
                self._rules.requires_verified_user and not user.email_verified
            ):
                raise OAuthError("account_not_linked")
            await self._insert(transaction, assertion, user.id, origin)
        user = await self._verified(transaction, user, assertion.profile)
        return await self._open(transaction, assertion, user, origin)

    async def _user(self, transaction: Transaction, which: Any) -> User | None:
        """Return a user, locked; None if there is none. Raises _BannedError, which rolls the transaction back."""
        row = (await transaction.execute(select(*COLUMNS).where(which).with_for_update())).first()
        user = user_of(row) if row else None
        if user is not None and user.is_banned_at(self._now()):
            raise _BannedError(user.id)
        return user

    async def _sign_up(
        self, transaction: Transaction, assertion: ProviderAssertion, origin: Origin, *, may_sign_up: bool
    ) -> ProviderSignIn:
        if not may_sign_up:
            raise OAuthError("signup_disabled")
        now, profile = self._now(), assertion.profile
        user = User(
            id=new_id(),
            email=profile.email,
            name=profile.name,
            image=profile.image,
            email_verified=profile.email_verified,
            role=Role.USER,
            banned=False,
            ban_reason=None,
            ban_expires=None,
            created_at=now,
            updated_at=now,
        )
        row = {name: getattr(user, name) for name in User.__dataclass_fields__} | {"role": user.role.value}
        await transaction.execute(insert(users).values(**row))
        await self._linked.insert(transaction, user.id, assertion.identity, assertion.tokens)
        event = Event(EventKind.SIGNED_UP, user.id, origin=origin, detail=assertion.identity.provider)
        await self._audit.record(transaction, event)
        return replace(await self._open(transaction, assertion, user, origin), created=True)

    async def _open(
        self, transaction: Transaction, assertion: ProviderAssertion, user: User, origin: Origin
    ) -> ProviderSignIn:
        opened = await self._sessions.open(transaction, Proof(user.id, Method.PROVIDER), origin)
        assert opened is not None, "the user was locked, and not banned, or has just been written"
        event = Event(EventKind.SIGNED_IN, user.id, origin=origin, detail=assertion.identity.provider)
        await self._audit.record(transaction, event)
        return ProviderSignIn(user, opened)

    async def _link(
        self,
        transaction: Transaction,
        assertion: ProviderAssertion,
        user_id: str,
        email: str | None,
        origin: Origin,
        session_id: str | None,
    ) -> None:
        try:
            user = await self._user(transaction, users.c.id == user_id)
        except _BannedError:
            user = None
        if user is None:
            raise OAuthError("unable_to_link_account")
        if session_id is not None and await self._sessions.find_locked(transaction, user_id, session_id) is None:
            raise OAuthError("unable_to_link_account")
        if not self.allows_email(assertion, user.email if email is None else email):
            raise OAuthError("email_does_not_match")
        row = await self._linked.find_locked(transaction, assertion.identity)
        if row is None:
            await self._insert(transaction, assertion, user_id, origin)
        elif row["user_id"] != user_id:
            raise OAuthError("account_already_linked_to_different_user")
        else:
            scopes = assertion.tokens.scopes
            await self._linked.store_tokens(
                transaction, row, assertion.tokens, issuer=assertion.identity.issuer, more_scopes=scopes
            )

    async def _insert(
        self, transaction: Transaction, assertion: ProviderAssertion, user_id: str, origin: Origin
    ) -> None:
        await self._linked.insert(transaction, user_id, assertion.identity, assertion.tokens)
        event = Event(EventKind.ACCOUNT_LINKED, user_id, origin=origin, detail=assertion.identity.provider)
        await self._audit.record(transaction, event)

    async def _verified(self, transaction: Transaction, user: User, profile: Profile) -> User:
        """Return the user, with the email marked as verified if the provider has verified the same one."""
        if user.email_verified or not profile.email_verified or user.email != profile.email:
            return user
        now = self._now()
        changed = update(users).where(users.c.id == user.id).values(email_verified=True, updated_at=now)
        await transaction.execute(changed)
        await self._outbox.add(transaction, tag_of(user.id))
        await self._audit.record(transaction, Event(EventKind.EMAIL_VERIFIED, user.id, detail="provider"))
        return replace(user, email_verified=True, updated_at=now)


class _BannedError(Exception):
    def __init__(self, user_id: str) -> None:
        super().__init__()
        self.user_id = user_id
