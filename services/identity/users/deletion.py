"""Deletes users, at once or by a mailed link, with an audit event for each deletion."""

import secrets
import string
from datetime import timedelta
from functools import partial

from runtime.errors import NotFound
from services.identity.email.one_time_secrets import DELETE_ACCOUNT as PURPOSE
from services.identity.email.policy import DeletionMode, EmailRules
from services.identity.email.templates import Mailer
from services.identity.outbox.audit import Event, EventKind
from services.identity.passwords.authentication import Authentication, CheckedWork, Recheck
from services.identity.store.database import Transaction
from services.identity.stores import Stores
from services.identity.users.users import RemovableUser

LIFETIME = timedelta(days=1)
TOKEN_LENGTH = 32
ALPHABET = string.digits + string.ascii_lowercase


class UserDeletion:
    """Deletes users. Nothing else does.

    `actor` is a user's id or `service:NAME`, empty for the deleted user. The site's rules apply only to users who
    delete themselves.
    """

    def __init__(self, stores: Stores, *, authentication: Authentication, mailer: Mailer, rules: EmailRules) -> None:
        self._database = stores.database
        self._users = stores.users
        self._sessions = stores.sessions
        self._one_time_secrets = stores.one_time_secrets
        self._audit = stores.audit
        self._authentication = authentication
        self._mailer = mailer
        self._rules = rules

    async def delete(
        self, user_id: str, *, actor: str, password: str | None = None, session_id: str | None = None
    ) -> None:
        """Delete a user with all data in identity. The other services erase their data soon after.

        A given `password` must be the user's. A given `session_id` must be a session of the user that was opened less
        than a day ago. Both are checked in the transaction that deletes. Raises NotFound (USER_NOT_FOUND),
        FailedPrecondition (LAST_ADMIN, SESSION_NOT_FRESH), and as `Authentication.verify_password` does.
        """

        async def work(transaction: Transaction, *, recheck: Recheck) -> None:
            removable = await self._users.find_removable(transaction, user_id)
            await recheck(transaction)
            await self._remove(transaction, removable, actor)

        await self._run_checked("users.delete", user_id, password, session_id, work)

    async def request(
        self, user_id: str, password: str, callback_url: str, *, actor: str = "", session_id: str | None = None
    ) -> bool:
        """Delete a user, or mail a link that does, as the site's rules say. Return whether the user is deleted.

        Without a password, a person's session (`session_id`) must be less than a day old. Raises FailedPrecondition
        (DELETE_USER_DISABLED, LAST_ADMIN, SESSION_NOT_FRESH), and as `Authentication.verify_password` does.
        """
        self._rules.admit_deletion()
        if self._rules.deletion is DeletionMode.MAIL:
            await self._mail(user_id, password, callback_url)
            return False
        await self.delete(user_id, actor=actor, password=password or None, session_id=None if password else session_id)
        return True

    async def delete_with_token(self, user_id: str, token: str, password: str = "", *, actor: str = "") -> None:
        """Delete the user to whom this token was mailed. Of concurrent calls, one succeeds.

        Raises NotFound (INVALID_TOKEN, also for another user's token, which stays valid for that user),
        FailedPrecondition (DELETE_USER_DISABLED, LAST_ADMIN) and, if a password is given, as
        `Authentication.verify_password` does.
        """
        self._rules.admit_deletion()

        async def work(transaction: Transaction, *, recheck: Recheck) -> None:
            try:
                removable = await self._users.find_removable(transaction, user_id)
            except NotFound:  # the user has probably followed this link before
                raise _invalid_token() from None
            await recheck(transaction)
            if await self._one_time_secrets.take(transaction, PURPOSE, token, subject=user_id) is None:
                raise _invalid_token()
            await self._remove(transaction, removable, actor)

        await self._run_checked("users.delete_with_token", user_id, password or None, None, work)

    async def _run_checked(
        self, operation: str, user_id: str, password: str | None, session_id: str | None, work: CheckedWork
    ) -> None:
        async def fresh(transaction: Transaction) -> None:
            if session_id is not None:
                await self._sessions.verify_fresh(transaction, user_id, session_id)

        if password is None:
            await self._database.transaction(operation, partial(work, recheck=fresh))
        else:
            await self._authentication.with_password(operation, user_id, password, work)

    async def _remove(self, transaction: Transaction, removable: RemovableUser, actor: str) -> None:
        user_id = removable.user.id
        await self._one_time_secrets.forget(transaction, user_id)
        await self._users.remove(transaction, removable)
        await self._audit.record(transaction, Event(EventKind.DELETED, user_id, "" if actor == user_id else actor))

    async def _mail(self, user_id: str, password: str, callback_url: str) -> None:
        token = "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))

        async def work(transaction: Transaction, *, recheck: Recheck) -> None:
            user = (await self._users.find_removable(transaction, user_id)).user
            await recheck(transaction)
            await self._one_time_secrets.put(transaction, PURPOSE, user.id, token, LIFETIME)
            await self._mailer.delete_account(transaction, user, token, callback_url)

        await self._run_checked("verifications.request_deletion", user_id, password or None, None, work)


def _invalid_token() -> NotFound:
    return NotFound("INVALID_TOKEN", "the link is not valid: it was used, has expired, or belongs to another user")
