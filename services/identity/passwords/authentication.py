"""Authentication by email and password: sign-in, and password change."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from runtime.errors import FailedPrecondition, InvalidArgument, PermissionDenied, Unauthenticated
from services.identity.email.addresses import normal_email
from services.identity.email.policy import EmailRules
from services.identity.email.templates import Mailer
from services.identity.outbox.audit import Event, EventKind
from services.identity.passwords.credentials import Credential
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.policy import new_password, normal_password
from services.identity.passwords.rehash import Rehash
from services.identity.sessions.session import OpenedSession, Origin
from services.identity.sessions.session_gate import Method, Proof
from services.identity.store.database import Transaction
from services.identity.stores import Stores
from services.identity.users.users import User, not_found

ATTEMPTS = 2

Recheck = Callable[[Transaction], Awaitable[None]]
"""Repeats in the transaction a check that was made before it. Raises if the check fails now."""


class CheckedWork(Protocol):
    """Work in a transaction. It locks the user and then calls `recheck`."""

    async def __call__(self, transaction: Transaction, /, *, recheck: Recheck) -> None: ...


@dataclass(frozen=True, slots=True)
class SignInResult:
    """A user and the new session."""

    user: User
    opened: OpenedSession


class Authentication:
    """Sign-in and password change. A method that hashes raises Unavailable (HASHING_OVERLOADED) before any change."""

    def __init__(
        self, stores: Stores, *, hasher: Hasher, mailer: Mailer, rules: EmailRules, refuse_common: bool = True
    ) -> None:
        self._database = stores.database
        self._users = stores.users
        self._credentials = stores.credentials
        self._sessions = stores.sessions
        self._audit = stores.audit
        self._now = stores.now
        self._hasher = hasher
        self._mailer = mailer
        self._rules = rules
        self._refuse_common = refuse_common
        self._rehash = Rehash(stores.database, stores.credentials, hasher)

    async def sign_in(self, email: str, password: str, origin: Origin, *, callback_url: str = "") -> SignInResult:
        """Open a session for an email and its password, with two statements.

        Raises Unauthenticated for an unknown user and for a wrong password, after the same work. Raises
        PermissionDenied (EMAIL_NOT_VERIFIED, BANNED_USER) only after the right password, and InvalidArgument
        (INVALID_EMAIL, PASSWORD_TOO_LONG).
        """
        address, candidate = normal_email(email), normal_password(password)
        found = await self._credentials.by_email(address)
        if not await self._hasher.verify(found.password if found else None, candidate) or found is None:
            # Recorded for an unknown email too, so that both cases take the same time.
            await self._record_failure(found, origin, "wrong password" if found else "unknown address")
            raise _invalid_credentials()
        return await self.open_by_password(found, candidate, origin, callback_url=callback_url)

    async def open_by_password(
        self, found: Credential, password: str, origin: Origin, *, callback_url: str = ""
    ) -> SignInResult:
        """Open a session for a user whose password was checked against `found`.

        Raises Unauthenticated if the password was changed or the user was deleted since then, and PermissionDenied
        (EMAIL_NOT_VERIFIED, BANNED_USER).
        """
        for _ in range(ATTEMPTS):
            await self._admit(found, origin, callback_url)
            opened = await self._open(found, origin)
            if opened is not None:
                self._rehash.after(found.user.id, found.password or "", password)
                return SignInResult(found.user, opened)
            # The user or the hash has changed since it was read. A rehash changes only the hash.
            found = await self._reread(found, password)
        raise _invalid_credentials()

    async def _reread(self, found: Credential, password: str) -> Credential:
        now = await self._credentials.by_user(found.user.id)
        if now is None:
            raise _invalid_credentials()
        if now.password != found.password and not await self._hasher.verify(now.password, password):
            raise _invalid_credentials()
        return now

    async def _admit(self, found: Credential, origin: Origin, callback_url: str) -> None:
        if self._rules.require_verification and not found.user.email_verified:
            await self._refuse_unverified(found.user, origin, callback_url)
            raise PermissionDenied(
                "EMAIL_NOT_VERIFIED", "the email address is not verified: follow the link in the mail first"
            )
        if found.user.is_banned_at(self._now()):
            await self._record_failure(found, origin, "banned")
            raise _banned()

    async def _refuse_unverified(self, user: User, origin: Origin, callback_url: str) -> None:
        async def work(transaction: Transaction) -> None:
            found = await self._users.find_locked_by_email(transaction, user.email)
            if found is None or found.id != user.id:  # the user was deleted or has another email since
                raise _invalid_credentials()
            if self._rules.verify_on_sign_in:
                await self._mailer.verify_email(transaction, user, callback_url)
            event = Event(EventKind.SIGN_IN_FAILED, user.id, origin=origin, detail="address not verified")
            await self._audit.record(transaction, event)

        await self._database.transaction("users.remind", work)

    async def open_by_link(self, transaction: Transaction, user: User, origin: Origin) -> OpenedSession | None:
        """Open a session for a user who followed a mailed link. Returns None for a banned user."""
        opened = await self._sessions.open(transaction, Proof(user.id, Method.EMAIL_LINK), origin)
        if opened is not None:
            await self._audit.record(transaction, Event(EventKind.SIGNED_IN, user.id, origin=origin))
        return opened

    async def _open(self, found: Credential, origin: Origin) -> OpenedSession | None:
        proof = Proof(found.user.id, Method.PASSWORD, found.password or "")

        async def work(transaction: Transaction) -> OpenedSession | None:
            opened = await self._sessions.open(transaction, proof, origin)
            if opened is not None:
                await self._audit.record(transaction, Event(EventKind.SIGNED_IN, found.user.id, origin=origin))
            return opened

        return await self._database.transaction("sessions.open", work)

    async def _record_failure(self, found: Credential | None, origin: Origin, why: str) -> None:
        user_id = found.user.id if found else ""
        await self._audit.record_alone(Event(EventKind.SIGN_IN_FAILED, user_id, origin=origin, detail=why))

    async def verify_password(self, user_id: str, password: str) -> Credential:
        """Check a user's password; return the user and the hash.

        Raises InvalidArgument (INVALID_PASSWORD), FailedPrecondition (CREDENTIAL_ACCOUNT_NOT_FOUND), NotFound.
        """
        found = await self._credentials.by_user(user_id)
        if found is None:
            raise not_found()
        if found.password is None:
            raise FailedPrecondition("CREDENTIAL_ACCOUNT_NOT_FOUND", "this user has no password")
        if not await self._hasher.verify(found.password, normal_password(password)):
            raise _wrong_password()
        return found

    async def with_password(self, operation: str, user_id: str, password: str, work: CheckedWork) -> None:
        """Run `work` in a transaction after the password was checked. Its `recheck` compares the hash again there.

        Raises as `verify_password` does.
        """

        async def recheck(transaction: Transaction, found: Credential) -> None:
            if not await self._credentials.has_password(transaction, user_id, found.password or ""):
                raise _ConcurrentChangeError

        for _ in range(ATTEMPTS):
            found = await self.verify_password(user_id, password)
            try:
                done = partial(work, recheck=partial(recheck, found=found))
                return await self._database.transaction(operation, done)
            except _ConcurrentChangeError:
                continue
        raise _wrong_password()

    async def change_password(
        self, user_id: str, current: str, new: str, *, end_others: bool | None, keep: str, origin: Origin
    ) -> tuple[User, OpenedSession | None]:
        """Change a password; return the user, and the new session if one was opened.

        `end_others`: True ends every session and opens a new one, False ends none, None ends all but `keep`.
        Raises as `verify_password` does, PermissionDenied (BANNED_USER), and InvalidArgument as `new_password` does.
        """
        password = new_password(new, refuse_common=self._refuse_common, field="new_password")
        found = await self.verify_password(user_id, current)
        new_hash = await self._hasher.hash(password)

        async def work(transaction: Transaction, old_hash: str) -> OpenedSession | None:
            opened = None
            if end_others:
                # Before the change: every transaction locks the user's row before the credential's.
                opened = await self._sessions.open(
                    transaction, Proof(user_id, Method.PASSWORD_CHANGE, old_hash), origin
                )
                if opened is None:
                    raise _ConcurrentChangeError
            if not await self._credentials.replace_password(transaction, user_id, old_hash, new_hash):
                raise _ConcurrentChangeError
            if end_others is not False:
                await self._sessions.end_all(transaction, user_id, keep=opened.session.id if opened else keep)
            await self._audit.record(transaction, Event(EventKind.PASSWORD_CHANGED, user_id, origin=origin))
            return opened

        for _ in range(ATTEMPTS):
            if found.user.is_banned_at(self._now()):
                raise _banned()
            try:
                change = partial(work, old_hash=found.password or "")
                return found.user, await self._database.transaction("accounts.change_password", change)
            except _ConcurrentChangeError:
                # The user or the hash has changed since it was read. A rehash changes only the hash.
                found = await self.verify_password(user_id, current)
        raise _wrong_password()


class _ConcurrentChangeError(Exception):
    """Another transaction changed the user or the password since it was checked."""


def _invalid_credentials() -> Unauthenticated:
    return Unauthenticated("INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")


def _banned() -> PermissionDenied:
    return PermissionDenied("BANNED_USER", "This user is banned")


def _wrong_password() -> InvalidArgument:
    return InvalidArgument("INVALID_PASSWORD", "Invalid password")
