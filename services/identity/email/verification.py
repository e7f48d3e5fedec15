"""Email verification and email change."""

from dataclasses import dataclass
from enum import Enum, auto

from runtime.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from services.identity.email.addresses import normal_email
from services.identity.email.links import LIFETIME, LinkClaims, LinkPurpose, Links, invalid_token
from services.identity.email.one_time_secrets import CHANGE_CONFIRMED
from services.identity.email.policy import EmailRules
from services.identity.email.templates import Mailer
from services.identity.outbox.audit import Event, EventKind
from services.identity.passwords.authentication import Authentication
from services.identity.sessions.session import OpenedSession, Origin
from services.identity.store.database import Transaction
from services.identity.store.faults.errors import DuplicateError
from services.identity.stores import Stores
from services.identity.users.users import User, not_found


class LinkOutcome(Enum):
    """The effect of a followed link."""

    VERIFIED = auto()
    ALREADY_VERIFIED = auto()
    CHANGE_CONFIRMED = auto()
    CHANGED = auto()


@dataclass(frozen=True, slots=True)
class LinkResult:
    """The user of a followed link, its effect, and the new session if one was opened."""

    user: User
    outcome: LinkOutcome
    opened: OpenedSession | None = None


class EmailVerification:
    """Verifies and changes emails. No response reveals whether an email is registered."""

    def __init__(
        self, stores: Stores, *, authentication: Authentication, links: Links, mailer: Mailer, rules: EmailRules
    ) -> None:
        self._database = stores.database
        self._users = stores.users
        self._credentials = stores.credentials
        self._sessions = stores.sessions
        self._one_time_secrets = stores.one_time_secrets
        self._audit = stores.audit
        self._authentication = authentication
        self._links = links
        self._mailer = mailer
        self._rules = rules

    async def send(self, email: str, callback_url: str, *, user_id: str = "") -> None:
        """Mail a verification link if a user has this unverified email. Otherwise do the same work without a mail.

        Raises InvalidArgument (INVALID_EMAIL). With `user_id`, the signed-in user, it also raises InvalidArgument
        (EMAIL_MISMATCH) and FailedPrecondition (EMAIL_ALREADY_VERIFIED).
        """
        address = normal_email(email)

        async def work(transaction: Transaction) -> None:
            user = await self._users.find_locked_by_email(transaction, address)
            if user_id and (user is None or user.id != user_id):
                raise InvalidArgument("EMAIL_MISMATCH", "email is not the address of the signed-in user", field="email")
            if user_id and user is not None and user.email_verified:
                raise FailedPrecondition("EMAIL_ALREADY_VERIFIED", "the email address is already verified")
            if user is None or user.email_verified:
                await self._mailer.decoy(transaction, callback_url)
            else:
                await self._mailer.verify_email(transaction, user, callback_url)

        await self._database.transaction("users.send_verification", work)

    async def request_change(
        self, user_id: str, new_email: str, callback_url: str, *, session_id: str | None = None
    ) -> None:
        """Mail the first link of an email change: to the current address if it is verified, else to the new one.

        If the current address is not verified, a person's session (`session_id`) must be less than a day old. A taken
        address has the same result without a mail. Raises FailedPrecondition (CHANGE_EMAIL_DISABLED,
        SESSION_NOT_FRESH), InvalidArgument (INVALID_EMAIL, EMAIL_IS_THE_SAME) and NotFound.
        """
        if not self._rules.change_email:
            raise FailedPrecondition("CHANGE_EMAIL_DISABLED", "users cannot change their email address on this site")
        address = normal_email(new_email)
        # Read before the transaction: it only decides whether a mail is sent. The link checks it again.
        is_taken = await self._credentials.by_email(address) is not None

        async def work(transaction: Transaction) -> None:
            user = await self._users.find_locked(transaction, user_id)
            if user.email == address:
                raise InvalidArgument("EMAIL_IS_THE_SAME", "Email is the same", field="new_email")
            if not user.email_verified and session_id is not None:
                await self._sessions.verify_fresh(transaction, user_id, session_id)
            if is_taken:
                await self._mailer.decoy(transaction, callback_url)
            elif user.email_verified:
                await self._mailer.confirm_change(transaction, user, address, callback_url)
            else:
                await self._mailer.verify_change(transaction, user, address, callback_url)

        await self._database.transaction("users.request_email_change", work)

    async def follow(self, token: str, callback_url: str, *, visitor: str, origin: Origin) -> LinkResult:
        """Apply a mailed link. A second call changes nothing. `visitor` is the id of the signed-in user, or empty.

        Raises InvalidArgument (INVALID_TOKEN, TOKEN_EXPIRED), NotFound (USER_NOT_FOUND) and PermissionDenied
        (INVALID_USER for an email change of another user than the visitor).
        """
        claims = self._links.read(token)
        if claims.purpose is LinkPurpose.VERIFY:
            return await self._verify(claims, visitor, origin)
        if claims.purpose is LinkPurpose.CONFIRM_CHANGE:
            return await self._confirm(claims, token, callback_url, visitor)
        return await self._change(claims, visitor, origin)

    async def _verify(self, claims: LinkClaims, visitor: str, origin: Origin) -> LinkResult:
        found = await self._credentials.by_email(claims.email)
        if found is None:
            raise not_found()
        if claims.user_id and found.user.id != claims.user_id:
            raise invalid_token()

        async def work(transaction: Transaction) -> LinkResult:
            user = await self._users.find_locked(transaction, found.user.id)
            if user.email != claims.email:
                raise invalid_token()
            if user.email_verified:
                return LinkResult(user, LinkOutcome.ALREADY_VERIFIED)
            user = await self._users.verify_email(transaction, user.id)
            await self._audit.record(transaction, Event(EventKind.EMAIL_VERIFIED, user.id, origin=origin))
            opened = None
            if self._rules.auto_sign_in_after_verification and visitor != user.id:
                opened = await self._authentication.open_by_link(transaction, user, origin)
            return LinkResult(user, LinkOutcome.VERIFIED, opened)

        return await self._database.transaction("users.verify_email", work)

    async def _confirm(self, claims: LinkClaims, token: str, callback_url: str, visitor: str) -> LinkResult:
        async def work(transaction: Transaction) -> LinkResult:
            user = await self._find_user_of_change(transaction, claims, visitor)
            # A JWT has no state. This secret has, so that a second call does not send another mail.
            await self._one_time_secrets.put(transaction, CHANGE_CONFIRMED, user.id, token, LIFETIME)
            await self._mailer.verify_change(transaction, user, claims.new_email, callback_url)
            return LinkResult(user, LinkOutcome.CHANGE_CONFIRMED)

        async def again(transaction: Transaction) -> LinkResult:
            return LinkResult(
                await self._find_user_of_change(transaction, claims, visitor), LinkOutcome.CHANGE_CONFIRMED
            )

        try:
            return await self._database.transaction("users.confirm_email_change", work)
        except DuplicateError:
            return await self._database.transaction("users.confirm_email_change", again)

    async def _change(self, claims: LinkClaims, visitor: str, origin: Origin) -> LinkResult:
        async def work(transaction: Transaction) -> LinkResult:
            user = await self._find_user_of_change(transaction, claims, visitor)
            # `email_verified` keeps its value, as in Better Auth.
            changed = await self._users.change_email(transaction, user.id, claims.new_email)
            await self._mailer.email_changed(transaction, user, claims.new_email)
            await self._audit.record(transaction, Event(EventKind.EMAIL_CHANGED, user.id, origin=origin))
            return LinkResult(changed, LinkOutcome.CHANGED)

        try:
            return await self._database.transaction("users.change_email", work)
        except DuplicateError:  # another user took the email, which the response does not reveal
            raise invalid_token() from None

    async def _find_user_of_change(self, transaction: Transaction, claims: LinkClaims, visitor: str) -> User:
        """Return the user of an email change, locked. The email and the password must be unchanged since the mail.

        If a stranger requested the change, the owner stops it with a new password.
        """
        user = await self._users.find_locked(transaction, claims.user_id)
        if user.email != claims.email:
            raise invalid_token()
        changed_at = await self._credentials.password_changed_at(transaction, user.id)
        if changed_at is not None and claims.issued_at < changed_at.timestamp():
            raise invalid_token()
        if visitor and visitor != user.id:
            raise PermissionDenied("INVALID_USER", "the link belongs to another user than the one who is signed in")
        return user
