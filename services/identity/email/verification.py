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
    """What following a link has done."""

    VERIFIED = auto()
    ALREADY_VERIFIED = auto()
    CHANGE_CONFIRMED = auto()
    CHANGED = auto()


@dataclass(frozen=True, slots=True)
class LinkResult:
    """Whose link was followed, what that did, and the session that it opened, if any."""

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
        """Mail a link that proves an address, if somebody has it who has not proved it; else only do the work.

        For a user who asks for their own it says what is wrong: InvalidArgument (EMAIL_MISMATCH), FailedPrecondition
        (EMAIL_ALREADY_VERIFIED). Raises InvalidArgument (INVALID_EMAIL).
        """
        address = normal_email(email)

        async def work(transaction: Transaction) -> None:
            user = await self._users.find_locked_by_email(transaction, address)
            if user_id and (user is None or user.id != user_id):
                raise InvalidArgument("EMAIL_MISMATCH", "this is not the address of who is signed in", field="email")
            if user_id and user is not None and user.email_verified:
                raise FailedPrecondition("EMAIL_ALREADY_VERIFIED", "the address is verified already")
            if user is None or user.email_verified:
                await self._mailer.decoy(transaction, callback_url)
            else:
                await self._mailer.verify_email(transaction, user, callback_url)

        await self._database.transaction("users.send_verification", work)

    async def request_change(
        self, user_id: str, new_email: str, callback_url: str, *, session_id: str | None = None
    ) -> None:
        """Mail what a change of address takes: the old one's consent if it is verified, then the new one's proof.

        A person (`session_id`) who has not verified the old one has signed in within the last day. An address that
        somebody has is answered alike. Raises FailedPrecondition (CHANGE_EMAIL_DISABLED, SESSION_NOT_FRESH),
        InvalidArgument (INVALID_EMAIL, EMAIL_IS_THE_SAME) and NotFound.
        """
        if not self._rules.change_email:
            raise FailedPrecondition("CHANGE_EMAIL_DISABLED", "addresses are not changed here")
        address = normal_email(new_email)
        # Read before the transaction: it only decides whether a mail is sent. Following the link asks again.
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
        """Do what a mailed link is for; a second time it changes nothing. `visitor` is the user who is signed in.

        Raises InvalidArgument (INVALID_TOKEN, TOKEN_EXPIRED), NotFound (USER_NOT_FOUND) and PermissionDenied
        (INVALID_USER if a change is not the visitor's own).
        """
        proof = self._links.read(token)
        if proof.purpose is LinkPurpose.VERIFY:
            return await self._verify(proof, visitor, origin)
        if proof.purpose is LinkPurpose.CONFIRM_CHANGE:
            return await self._confirm(proof, token, callback_url, visitor)
        return await self._change(proof, visitor, origin)

    async def _verify(self, proof: LinkClaims, visitor: str, origin: Origin) -> LinkResult:
        found = await self._credentials.by_email(proof.email)
        if found is None:
            raise not_found()
        if proof.user_id and found.user.id != proof.user_id:
            raise invalid_token()

        async def work(transaction: Transaction) -> LinkResult:
            user = await self._users.find_locked(transaction, found.user.id)
            if user.email != proof.email:
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

    async def _confirm(self, proof: LinkClaims, token: str, callback_url: str, visitor: str) -> LinkResult:
        async def work(transaction: Transaction) -> LinkResult:
            user = await self._bound(transaction, proof, visitor)
            # The JWT keeps no state; this does, so that following it again sends no further mail to a stranger.
            await self._one_time_secrets.put(transaction, CHANGE_CONFIRMED, user.id, token, LIFETIME)
            await self._mailer.verify_change(transaction, user, proof.new_email, callback_url)
            return LinkResult(user, LinkOutcome.CHANGE_CONFIRMED)

        async def again(transaction: Transaction) -> LinkResult:
            return LinkResult(await self._bound(transaction, proof, visitor), LinkOutcome.CHANGE_CONFIRMED)

        try:
            return await self._database.transaction("users.confirm_email_change", work)
        except DuplicateError:
            return await self._database.transaction("users.confirm_email_change", again)

    async def _change(self, proof: LinkClaims, visitor: str, origin: Origin) -> LinkResult:
        async def work(transaction: Transaction) -> LinkResult:
            user = await self._bound(transaction, proof, visitor)
            # Whether it is verified stays as it was: Better Auth's rule.
            changed = await self._users.change_email(transaction, user.id, proof.new_email)
            await self._mailer.email_changed(transaction, user, proof.new_email)
            await self._audit.record(transaction, Event(EventKind.EMAIL_CHANGED, user.id, origin=origin))
            return LinkResult(changed, LinkOutcome.CHANGED)

        try:
            return await self._database.transaction("users.change_email", work)
        except DuplicateError:  # the email was taken meanwhile, which the response does not reveal
            raise invalid_token() from None

    async def _bound(self, transaction: Transaction, proof: LinkClaims, visitor: str) -> User:
        """Return the user whose change a proof is for, while they still have the address and password of its time.

        A link that a stranger asked for must not outlive the password by which the owner shut them out.
        """
        user = await self._users.find_locked(transaction, proof.user_id)
        if user.email != proof.email:
            raise invalid_token()
        changed_at = await self._credentials.password_changed_at(transaction, user.id)
        if changed_at is not None and proof.issued_at < changed_at.timestamp():
            raise invalid_token()
        if visitor and visitor != user.id:
            raise PermissionDenied("INVALID_USER", "the link belongs to another user than the one who is signed in")
        return user
