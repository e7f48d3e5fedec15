"""Password resets: a mailed link with a token, and a new password for the token."""

from datetime import timedelta

from runtime.errors import FailedPrecondition
from runtime.ids import new_id
from services.identity.email.addresses import normal_email
from services.identity.email.links import invalid_token
from services.identity.email.one_time_secrets import RESET_PASSWORD as PURPOSE
from services.identity.email.policy import EmailRules
from services.identity.email.templates import Mailer
from services.identity.outbox.audit import Event, EventKind
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.policy import new_password
from services.identity.sessions.session import Origin
from services.identity.store.database import Transaction
from services.identity.stores import Stores

LIFETIME = timedelta(hours=1)
LENGTH = 24
NO_USER = "-"


class PasswordResets:
    """Requests and completes password resets."""

    def __init__(
        self, stores: Stores, *, hasher: Hasher, mailer: Mailer, rules: EmailRules, refuse_common: bool = True
    ) -> None:
        self._database = stores.database
        self._users = stores.users
        self._credentials = stores.credentials
        self._sessions = stores.sessions
        self._one_time_secrets = stores.one_time_secrets
        self._audit = stores.audit
        self._hasher = hasher
        self._mailer = mailer
        self._rules = rules
        self._refuse_common = refuse_common

    async def request(self, email: str, redirect_url: str) -> None:
        """Mail a link to the user with this email. For an unknown email, do the same work without a mail.

        Earlier links stay valid for their hour, so that a stranger's request cannot void them. Raises
        FailedPrecondition (RESET_PASSWORD_DISABLED) and InvalidArgument (INVALID_EMAIL).
        """
        if not self._rules.password_reset:
            raise FailedPrecondition("RESET_PASSWORD_DISABLED", "password resets are switched off on this site")
        address = normal_email(email)
        token = new_id()[:LENGTH]

        async def work(transaction: Transaction) -> None:
            user = await self._users.find_locked_by_email(transaction, address)
            subject = user.id if user else NO_USER
            await self._one_time_secrets.put(transaction, PURPOSE, subject, token, LIFETIME, data=address)
            if user is None:
                await self._mailer.decoy(transaction, redirect_url)
            else:
                await self._mailer.reset_password(transaction, user, token, redirect_url)

        await self._database.transaction("verifications.request_reset", work)

    async def is_valid(self, token: str) -> bool:
        """Whether a token is valid."""
        return await self._one_time_secrets.find(PURPOSE, token) is not None

    async def reset(self, token: str, password: str, origin: Origin) -> None:
        """Set a password for a token, and end the user's sessions and other tokens, in one transaction.

        A failure does not use the token up. The token is valid only while its user has the email that it was mailed
        to. If this email was never verified, the accounts at providers are deleted: a stranger may have linked them.
        Raises InvalidArgument (INVALID_TOKEN, and as `new_password` does) and NotFound.
        """
        normal = new_password(password, refuse_common=self._refuse_common, field="new_password")
        found = await self._one_time_secrets.find(PURPOSE, token)
        if found is None:
            raise invalid_token()
        password_hash = await self._hasher.hash(normal)

        async def work(transaction: Transaction) -> None:
            # Locks the user before the token, as a deletion does, so that the two cannot deadlock.
            user = await self._users.find_locked(transaction, found.subject)
            spent = await self._one_time_secrets.take(transaction, PURPOSE, token)
            if spent is None or user.email != spent.data:
                raise invalid_token()
            await self._one_time_secrets.void(transaction, PURPOSE, user.id)
            await self._credentials.set_password(transaction, user.id, password_hash)
            if not user.email_verified:
                await self._credentials.unlink_providers(transaction, user.id)
            await self._sessions.end_all(transaction, user.id)
            await self._audit.record(transaction, Event(EventKind.PASSWORD_RESET, user.id, origin=origin))

        await self._database.transaction("accounts.reset_password", work)
