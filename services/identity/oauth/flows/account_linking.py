"""Who comes in by a provider: the rules by which an identity opens a user's session, makes a user, or is linked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import insert, select, update

from runtime.clock import Clock, utc_now
from runtime.errors import PermissionDenied
from runtime.ids import new_id
from services.identity.oauth.errors import OAuthError
from services.identity.oauth.linked_accounts import Identity, LinkedAccounts
from services.identity.oauth.providers.profiles import Profile
from services.identity.oauth.providers.settings import OAuthRules
from services.identity.oauth.tokens import Tokens
from services.identity.outbox.audit import Audit, Event, Happened
from services.identity.outbox.outbox import Outbox
from services.identity.sessions.session_gate import Method, Proof
from services.identity.sessions.sessions import Opened, Origin, Sessions
from services.identity.store.database import Database, Transaction
from services.identity.store.faults.errors import TwiceError
from services.identity.users.tables import users
from services.identity.users.users import COLUMNS, Role, User, tag_of, user_of

VerifyNew = Callable[[Transaction, User, str], Awaitable[None]]
"""Mails a new user a link that proves the address, which leads on to a callback URL."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a provider vouches for: an identity, what it says of the person, and the tokens it gave."""

    identity: Identity
    profile: Profile
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Entered:
    """A user and a session that was just opened for them, and whether the user is new."""

    user: User
    opened: Opened
    created: bool = False


class Entrances:
    """The rules. An address that the provider has not verified opens nobody's account."""

    def __init__(
        self,
        database: Database,
        linked: LinkedAccounts,
        sessions: Sessions,
        outbox: Outbox,
        audit: Audit,
        rules: OAuthRules,
        *,
        verify_new: VerifyNew | None = None,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._linked = linked
        self._sessions = sessions
        self._outbox = outbox
        self._audit = audit
        self._rules = rules
        self._verify_new = verify_new
        self._now = now

    async def enter(self, who: Vouched, origin: Origin, *, may_sign_up: bool, callback_url: str = "") -> Entered:
        """Open a session for whoever has this identity; make the user, or link them by a proved address, if nobody has.

        `callback_url` is where a mail leads that asks a new user to prove an address which the provider has not.
        Raises OAuthError (email_not_found, account_not_linked, signup_disabled) and PermissionDenied (BANNED_USER).
        """
        if not who.profile.email:
            raise OAuthError("email_not_found")

        async def work(transaction: Transaction) -> Entered:
            entered = await self._enter(transaction, who, origin, may_sign_up=may_sign_up)
            if entered.created and not entered.user.email_verified and self._verify_new is not None:
                await self._verify_new(transaction, entered.user, callback_url)
            return entered

        try:
            try:
                return await self._database.transaction("oauth.enter", work)
            except TwiceError:  # somebody was first with the identity or the address, and by now is found
                return await self._database.transaction("oauth.enter", work)
        except TwiceError:
            raise OAuthError("unable_to_create_user") from None
        except _BannedError as error:
            event = Event(Happened.SIGN_IN_FAILED, error.user_id, origin=origin, detail="banned")
            await self._audit.note_alone(event)
            raise PermissionDenied("BANNED_USER", "This user is banned") from None

    async def link(
        self, who: Vouched, user_id: str, email: str | None, origin: Origin, *, session_id: str | None = None
    ) -> None:
        """Link an identity to a user who asks for it; one that is linked has its tokens and scopes renewed.

        `email` is the address that the user had when they asked, None for the one that they have. A
        session that was signed out since it asked (`session_id`) links nothing. Raises OAuthError
        (unable_to_link_account, email_does_not_match, account_already_linked_to_different_user).
        """
        if not self._is_vouched_for(who):
            raise OAuthError("unable_to_link_account")

        async def work(transaction: Transaction) -> None:
            await self._link(transaction, who, user_id, email, origin, session_id)

        try:
            try:
                await self._database.transaction("oauth.link", work)
            except TwiceError:
                await self._database.transaction("oauth.link", work)
        except TwiceError:
            raise OAuthError("unable_to_link_account") from None

    async def owner(self, identity: Identity) -> str | None:
        """Return the id of the user who has an identity, None if nobody has."""

        async def work(transaction: Transaction) -> str | None:
            row = await self._linked.find_locked(transaction, identity)
            return str(row["user_id"]) if row else None

        return await self._database.transaction("oauth.owner", work)

    def is_vouched_for(self, who: Vouched) -> bool:
        """Whether the provider's word for the address is taken: it has verified it, or is trusted without."""
        return self._is_vouched_for(who)

    def takes_address(self, who: Vouched, email: str) -> bool:
        """Whether an account with the provider's address may be linked to a user with this one."""
        return self._rules.links_different_emails or who.profile.email == email

    def _is_vouched_for(self, who: Vouched) -> bool:
        return who.profile.email_verified or who.identity.provider in self._rules.trusted

    async def _enter(self, transaction: Transaction, who: Vouched, origin: Origin, *, may_sign_up: bool) -> Entered:
        row = await self._linked.find_locked(transaction, who.identity)
        if row is not None:
            user = await self._user(transaction, users.c.id == row["user_id"])
            assert user is not None, "an account has a user: the foreign key"
            await self._linked.renew(transaction, row, who.tokens, issuer=who.identity.issuer)
        else:
            user = await self._user(transaction, users.c.email == who.profile.email)
            if user is None:
                return await self._sign_up(transaction, who, origin, may_sign_up=may_sign_up)
            if not self._is_vouched_for(who) or (self._rules.requires_verified_user and not user.email_verified):
                raise OAuthError("account_not_linked")
            await self._insert(transaction, who, user.id, origin)
        user = await self._verified(transaction, user, who.profile)
        return await self._open(transaction, who, user, origin)

    async def _user(self, transaction: Transaction, which: Any) -> User | None:
        """Return a user who is not kept out. Raises _BannedError: then nothing of the transaction takes place."""
        row = (await transaction.execute(select(*COLUMNS).where(which).with_for_update())).first()
        user = user_of(row) if row else None
        if user is not None and user.is_kept_out(self._now()):
            raise _BannedError(user.id)
        return user

    async def _sign_up(self, transaction: Transaction, who: Vouched, origin: Origin, *, may_sign_up: bool) -> Entered:
        if not may_sign_up:
            raise OAuthError("signup_disabled")
        now, profile = self._now(), who.profile
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
        await self._linked.insert(transaction, user.id, who.identity, who.tokens)
        event = Event(Happened.SIGNED_UP, user.id, origin=origin, detail=who.identity.provider)
        await self._audit.note(transaction, event)
        return replace(await self._open(transaction, who, user, origin), created=True)

    async def _open(self, transaction: Transaction, who: Vouched, user: User, origin: Origin) -> Entered:
        opened = await self._sessions.open(transaction, Proof(user.id, Method.PROVIDER), origin)
        assert opened is not None, "the user was locked, and not banned, or has just been written"
        event = Event(Happened.SIGNED_IN, user.id, origin=origin, detail=who.identity.provider)
        await self._audit.note(transaction, event)
        return Entered(user, opened)

    async def _link(
        self,
        transaction: Transaction,
        who: Vouched,
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
        if not self.takes_address(who, user.email if email is None else email):
            raise OAuthError("email_does_not_match")
        row = await self._linked.find_locked(transaction, who.identity)
        if row is None:
            await self._insert(transaction, who, user_id, origin)
        elif row["user_id"] != user_id:
            raise OAuthError("account_already_linked_to_different_user")
        else:
            scopes = who.tokens.scopes
            await self._linked.renew(transaction, row, who.tokens, issuer=who.identity.issuer, more_scopes=scopes)

    async def _insert(self, transaction: Transaction, who: Vouched, user_id: str, origin: Origin) -> None:
        await self._linked.insert(transaction, user_id, who.identity, who.tokens)
        event = Event(Happened.ACCOUNT_LINKED, user_id, origin=origin, detail=who.identity.provider)
        await self._audit.note(transaction, event)

    async def _verified(self, transaction: Transaction, user: User, profile: Profile) -> User:
        """Return the user, whose address counts as proved if the provider has proved the same one."""
        if user.email_verified or not profile.email_verified or user.email != profile.email:
            return user
        now = self._now()
        changed = update(users).where(users.c.id == user.id).values(email_verified=True, updated_at=now)
        await transaction.execute(changed)
        await self._outbox.add(transaction, tag_of(user.id))
        await self._audit.note(transaction, Event(Happened.EMAIL_VERIFIED, user.id, detail="provider"))
        return replace(user, email_verified=True, updated_at=now)


class _BannedError(Exception):
    def __init__(self, user_id: str) -> None:
        super().__init__()
        self.user_id = user_id
