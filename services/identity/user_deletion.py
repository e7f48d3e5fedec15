"""Deleting users: at once, or by a link that is mailed to them. Every deletion leaves an audit event."""

import secrets
import string
from datetime import timedelta

from runtime.errors import NotFound
from services.identity.audit import Audit, Event, Happened
from services.identity.authentication import Authentication
from services.identity.database import Database, Transaction
from services.identity.email_rules import Deletion, EmailRules
from services.identity.mails import Mails
from services.identity.users import Users
from services.identity.verifications import Verifications

PURPOSE = "delete-account"
LIFETIME = timedelta(days=1)
LENGTH = 32
LETTERS = string.digits + string.ascii_lowercase


class UserDeletion:
    """The only way in which a user is deleted.

    `actor` is who decides: a user's id, or `service:NAME`; empty for the deleted user. The rules hold up users who
    delete themselves, nobody else.
    """

    def __init__(
        self,
        database: Database,
        users: Users,
        authentication: Authentication,
        verifications: Verifications,
        mails: Mails,
        audit: Audit,
        rules: EmailRules,
    ) -> None:
        self._database = database
        self._users = users
        self._authentication = authentication
        self._verifications = verifications
        self._mails = mails
        self._audit = audit
        self._rules = rules

    async def delete(self, user_id: str, *, actor: str) -> None:
        """Delete a user with everything that identity holds of them; the other services erase theirs soon after.

        Raises NotFound (USER_NOT_FOUND).
        """

        async def work(transaction: Transaction) -> None:
            await self._remove(transaction, user_id, actor)

        await self._database.transaction("users.delete", work)

    async def request(
        self, user_id: str, password: str, callback_url: str, *, actor: str = "", session_id: str | None = None
    ) -> bool:
        """Delete a user, or mail them the link that does, as the rules say; return whether they are gone.

        Without a password a person (`session_id`) has signed in within the last day. Raises FailedPrecondition
        (DELETE_USER_DISABLED, SESSION_NOT_FRESH) and what `Authentication.verify_password` does.
        """
        await self.admit(user_id, password)
        if self._rules.deletion is Deletion.MAIL:
            await self._mail(user_id, callback_url)
            return False
        if not password and session_id is not None:
            await self._authentication.verify_fresh(user_id, session_id)
        await self.delete(user_id, actor=actor)
        return True

    async def with_token(self, user_id: str, token: str, password: str = "", *, actor: str = "") -> None:
        """Delete the user to whom this token was mailed; of many at once one succeeds.

        Raises NotFound (INVALID_TOKEN, also for a token of somebody else's, which stays good for them;
        USER_NOT_FOUND) and what `admit` does.
        """
        await self.admit(user_id, password)

        async def work(transaction: Transaction) -> None:
            if await self._verifications.take(transaction, PURPOSE, token, subject=user_id) is None:
                raise NotFound("INVALID_TOKEN", "the link is no good: it was spent, or is none of yours")
            await self._verifications.void(transaction, PURPOSE, user_id)
            await self._remove(transaction, user_id, actor)

        await self._database.transaction("users.delete_with_token", work)

    async def admit(self, user_id: str, password: str) -> None:
        """Return if people may delete themselves, and the password, if there is one, is theirs."""
        self._rules.admit_deletion()
        if password:
            await self._authentication.verify_password(user_id, password)

    async def _remove(self, transaction: Transaction, user_id: str, actor: str) -> None:
        await self._users.remove(transaction, user_id)
        await self._audit.note(transaction, Event(Happened.DELETED, user_id, "" if actor == user_id else actor))

    async def _mail(self, user_id: str, callback_url: str) -> None:
        token = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))

        async def work(transaction: Transaction) -> None:
            user = await self._users.find_locked(transaction, user_id)
            await self._verifications.put(transaction, PURPOSE, user.id, token, LIFETIME)
            await self._mails.delete_account(transaction, user, token, callback_url)

        await self._database.transaction("verifications.request_deletion", work)
