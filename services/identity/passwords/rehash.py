"""Rehash: replaces an imported or outdated hash after a successful sign-in."""

from prometheus_client import Counter

from runtime.background.tasks import TooManyTasksError
from runtime.errors import ServiceError
from services.identity.passwords.credentials import Credentials
from services.identity.passwords.hashing import Hasher
from services.identity.store.database import Database, Transaction

rehashed = Counter(
    "trivet_password_hashes_renewed_total", "Outdated password hashes after a sign-in, by outcome.", ["outcome"]
)


class Rehash:
    """Replaces outdated hashes in the background. The sign-in does not wait for it or fail with it.

    If passwords of other users wait to be hashed, the rehash is postponed to the next sign-in.
    """

    def __init__(self, database: Database, credentials: Credentials, hasher: Hasher) -> None:
        self._database = database
        self._credentials = credentials
        self._hasher = hasher

    def after(self, user_id: str, stored: str, password: str) -> None:
        """Start to replace the hash `stored` if it is outdated. `password` matches it."""
        if not self._hasher.is_outdated(stored):
            return
        if self._hasher.is_busy:
            rehashed.labels("put off").inc()
            return
        try:
            self._database.tasks.start(self._rehash(user_id, stored, password))
        except TooManyTasksError:
            rehashed.labels("put off").inc()

    async def _rehash(self, user_id: str, stored: str, password: str) -> None:
        try:
            fresh = await self._hasher.hash(password)

            async def work(transaction: Transaction) -> bool:
                return await self._credentials.replace_password(transaction, user_id, stored, fresh)

            # False: another sign-in was first, or the password was changed.
            done = await self._database.transaction("accounts.renew_password", work)
        except ServiceError:
            rehashed.labels("failed").inc()
        else:
            rehashed.labels("renewed" if done else "overtaken").inc()
