"""Proving who somebody is by email and password: signing in, and changing the password."""

from dataclasses import dataclass
from functools import partial

from runtime.clock import Clock, utc_now
from runtime.errors import FailedPrecondition, InvalidArgument, PermissionDenied, Unauthenticated
from runtime.freshness import is_fresh
from services.identity.accounts import Accounts, Credential
from services.identity.audit import Audit, Event, Happened
from services.identity.database import Database, Transaction
from services.identity.email_rules import EmailRules
from services.identity.emails import normal_email
from services.identity.hashing import Hasher
from services.identity.mails import Mails
from services.identity.passwords import new_password, normal_password
from services.identity.renewal import Renewal
from services.identity.sessions import Opened, Origin, Sessions
from services.identity.users import User, not_found


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user and a session that was just opened for them."""

    user: User
    opened: Opened


class Authentication:
    """Signing in. Every method that hashes raises ResourceExhausted (HASHING_OVERLOADED) before any work."""

    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        sessions: Sessions,
        hasher: Hasher,
        audit: Audit,
        mails: Mails,
        rules: EmailRules | None = None,
        *,
        refuse_common: bool = True,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._hasher = hasher
        self._audit = audit
        self._mails = mails
        self._rules = rules or EmailRules()
        self._renewal = Renewal(database, accounts, hasher)
        self._refuse_common = refuse_common
        self._now = now

    async def sign_in(self, email: str, password: str, origin: Origin, *, callback_url: str = "") -> SignedIn:
        """Open a session for the right email and password, with two statements.

        Raises Unauthenticated alike, and after the same work, for an unknown user and a wrong password;
        PermissionDenied (EMAIL_NOT_VERIFIED, BANNED_USER) after the right one only; InvalidArgument (INVALID_EMAIL,
        PASSWORD_TOO_LONG).
        """
        address, candidate = normal_email(email), normal_password(password)
        found = await self._accounts.by_email(address)
        if not await self._hasher.verify(found.password if found else None, candidate) or found is None:
            # Of somebody unknown too, so that both take as long.
            await self._note_failure(found, origin, "wrong password" if found else "unknown address")
            raise _refused()
        if self._rules.require_verification and not found.user.email_verified:
            await self._remind(found.user, origin, callback_url)
            raise PermissionDenied("EMAIL_NOT_VERIFIED", "the address has to be verified first")
        if found.user.is_kept_out(self._now()):
            await self._note_failure(found, origin, "banned")
            raise PermissionDenied("BANNED_USER", "This user is banned")
        return await self.open_by_password(found, candidate, origin)

    async def _remind(self, user: User, origin: Origin, callback_url: str) -> None:
        async def work(transaction: Transaction) -> None:
            if self._rules.verify_on_sign_in:
                await self._mails.verify_email(transaction, user, callback_url)
            event = Event(Happened.SIGN_IN_FAILED, user.id, origin=origin, detail="address not verified")
            await self._audit.note(transaction, event)

        await self._database.transaction("users.remind", work)

    async def open_for(self, transaction: Transaction, user: User, origin: Origin) -> Opened | None:
        """Open a session for somebody who has proved who they are otherwise; None if they are kept out."""
        if user.is_kept_out(self._now()):
            return None
        opened = self._sessions.begin(user.id, origin)
        await self._sessions.insert(transaction, opened)
        await self._audit.note(transaction, Event(Happened.SIGNED_IN, user.id, origin=origin))
        return opened

    async def open_by_password(self, found: Credential, password: str, origin: Origin) -> SignedIn:
        """Open a session for whoever typed the password of `found`. Raises Unauthenticated if it is another by now."""
        opened, stored = self._sessions.begin(found.user.id, origin), found.password or ""
        if not await self._insert_session(opened, stored, origin):
            # Changed, or only hashed anew after a sign-in at the same time: then the password is right still.
            now = await self._accounts.by_user(found.user.id)
            stored = (now and now.password) or ""
            right = await self._hasher.verify(stored or None, password)
            if not right or not await self._insert_session(opened, stored, origin):
                raise _refused()
        self._renewal.after(found.user.id, stored, password)
        return SignedIn(found.user, opened)

    async def _insert_session(self, opened: Opened, stored: str, origin: Origin) -> bool:
        async def work(transaction: Transaction) -> bool:
            if not await self._accounts.insert_session(transaction, opened, stored):
                return False
            await self._audit.note(transaction, Event(Happened.SIGNED_IN, opened.session.user_id, origin=origin))
            return True

        return await self._database.transaction("sessions.open", work)

    async def _note_failure(self, found: Credential | None, origin: Origin, why: str) -> None:
        user_id = found.user.id if found else ""
        await self._audit.note_alone(Event(Happened.SIGN_IN_FAILED, user_id, origin=origin, detail=why))

    async def verify_password(self, user_id: str, password: str) -> Credential:
        """Return the user whose password this is.

        Raises InvalidArgument (INVALID_PASSWORD), FailedPrecondition (CREDENTIAL_ACCOUNT_NOT_FOUND), NotFound.
        """
        found = await self._accounts.by_user(user_id)
        if found is None:
            raise not_found()
        if found.password is None:
            raise FailedPrecondition("CREDENTIAL_ACCOUNT_NOT_FOUND", "this user has no password")
        if not await self._hasher.verify(found.password, normal_password(password)):
            raise _wrong()
        return found

    async def verify_fresh(self, user_id: str, session_id: str) -> None:
        """Return if this is an open session of the user's of the last day. Raises FailedPrecondition otherwise."""
        session = await self._sessions.find(user_id, session_id)
        if session is None or not is_fresh(session.created_at, self._now()):
            raise FailedPrecondition("SESSION_NOT_FRESH", "sign in again first: the session is older than a day")

    async def change_password(
        self, user_id: str, current: str, new: str, *, end_others: bool | None, keep: str, origin: Origin
    ) -> tuple[User, Opened | None]:
        """Put a new password in the current one's place; return the user, and the new session if one was asked for.

        `end_others`: True ends every session and opens a new one, False ends none, None ends all but `keep`.
        Raises what `verify_password` does, and InvalidArgument for a new password that is not taken.
        """
        password = new_password(new, refuse_common=self._refuse_common, field="new_password")
        found = await self.verify_password(user_id, current)
        new_hash = await self._hasher.hash(password)
        opened = self._sessions.begin(user_id, origin) if end_others else None

        async def work(transaction: Transaction, old_hash: str) -> bool:
            if not await self._accounts.replace_password(transaction, user_id, old_hash, new_hash):
                return False
            if end_others is not False:
                await self._sessions.end_all(transaction, user_id, keep="" if end_others else keep)
            if opened is not None:
                await self._sessions.insert(transaction, opened)
            await self._audit.note(transaction, Event(Happened.PASSWORD_CHANGED, user_id, origin=origin))
            return True

        async def replace(old_hash: str | None) -> bool:
            done = partial(work, old_hash=old_hash or "")
            return await self._database.transaction("accounts.change_password", done)

        if not await replace(found.password):
            # Changed, or only hashed anew after a sign-in at the same time: then the current one is right still.
            found = await self.verify_password(user_id, current)
            if not await replace(found.password):
                raise _wrong()
        return found.user, opened


def _refused() -> Unauthenticated:
    return Unauthenticated("INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")


def _wrong() -> InvalidArgument:
    return InvalidArgument("INVALID_PASSWORD", "Invalid password")
