"""Rehash: replaces an imported or outdated hash after a sign-in with the right password."""

from prometheus_client import Counter

from runtime.background.tasks import TooManyTasksError
from runtime.errors import ServiceError
from services.identity.passwords.credentials import Credentials
from services.identity.passwords.hashing import Hasher
from services.identity.store.database import Database, Transaction

rehashed = Counter(
    "trivet_password_hashes_renewed_total", "Outdated password hashes, by what became of them.", ["outcome"]
)


class Rehash:
    """Replaces outdated hashes after sign-ins, which neither wait for it nor fail with it.

    Whoever is put off, because passwords of others wait to be checked, has another chance at the next sign-in.
    """

    def __init__(self, database: Database, credentials: Credentials, hasher: Hasher) -> None:
        self._database = database
        self._credentials = credentials
        self._hasher = hasher

    def after(self, user_id: str, stored: str, password: str) -> None:
        """Begin to replace `stored`, which the password was just found to match, if it is outdated."""
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

            # False: another sign-in was first, or the password is another by now.
            done = await self._database.transaction("accounts.renew_password", work)
        except ServiceError:
            rehashed.labels("failed").inc()
        else:
            rehashed.labels("renewed" if done else "overtaken").inc()
