"""One-time secrets: stored as SHA-256 for one purpose and subject, and used up by the first caller."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, delete, insert, select

from runtime.clock import Clock, utc_now
from runtime.ids import new_id, token_hash
from services.identity.store.database import Database, Transaction
from services.identity.store.tables import verifications

RESET_PASSWORD = "reset-password"  # noqa: S105  # no password
DELETE_ACCOUNT = "delete-account"
CHANGE_CONFIRMED = "change-email-confirmed"
OF_USERS = (RESET_PASSWORD, DELETE_ACCOUNT, CHANGE_CONFIRMED)
"""The purposes whose subject is a user's id."""


@dataclass(frozen=True, slots=True)
class OneTimeSecret:
    """What a secret stands for: whose it is, and what was kept with it."""

    subject: str
    data: str


class OneTimeSecrets:
    """The one-time secrets of a database. A purpose is a word without a colon, for example `reset-password`.

    Several may be waiting for one purpose and subject; `void` ends them all.
    """

    def __init__(self, database: Database, *, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now

    async def put(
        self, transaction: Transaction, purpose: str, subject: str, secret: str, lifetime: timedelta, *, data: str = ""
    ) -> None:
        """Keep a secret's hash for some time. Raises DuplicateError if this very one is kept already."""
        now = self._now()
        await transaction.execute(
            insert(verifications).values(
                id=new_id(),
                created_at=now,
                updated_at=now,
                identifier=f"{purpose}:{subject}",
                value=token_hash(secret),
                data=data,
                expires_at=now + lifetime,
            )
        )

    async def find(self, purpose: str, secret: str) -> OneTimeSecret | None:
        """Return what a secret stands for without spending it; None if it is unknown, spent or expired."""
        row = await self._database.row("verifications.find", self._open(secret))
        return _verification(row.identifier, row.data, purpose) if row else None

    async def take(
        self, transaction: Transaction, purpose: str, secret: str, *, subject: str | None = None
    ) -> OneTimeSecret | None:
        """Spend a secret and return what it stood for; None if it is unknown, spent, expired or another subject's.

        Of many at once one is given it. It is spent only if the transaction takes place.
        """
        row = (await transaction.execute(self._open(secret))).first()
        found = _verification(row.identifier, row.data, purpose) if row else None
        if row is None or found is None or (subject is not None and found.subject != subject):
            return None
        # The call that deletes the row gets the secret: the others wait here, and find no row.
        gone = await transaction.execute(delete(verifications).where(verifications.c.id == row.id))
        return found if gone.rowcount else None

    async def void(self, transaction: Transaction, purpose: str, subject: str) -> None:
        """End whatever is waiting for a purpose and a subject."""
        await transaction.execute(delete(verifications).where(verifications.c.identifier == f"{purpose}:{subject}"))

    async def forget(self, transaction: Transaction, user_id: str) -> None:
        """Delete every secret of a user, whatever its purpose."""
        identifiers = [f"{purpose}:{user_id}" for purpose in OF_USERS]
        await transaction.execute(delete(verifications).where(verifications.c.identifier.in_(identifiers)))

    def _open(self, secret: str) -> Select[Any]:
        return select(verifications.c.id, verifications.c.identifier, verifications.c.data).where(
            verifications.c.value == token_hash(secret), verifications.c.expires_at > self._now()
        )


def _verification(identifier: str, data: str | None, purpose: str) -> OneTimeSecret | None:
    found, _, subject = identifier.partition(":")
    return OneTimeSecret(subject, data or "") if found == purpose else None
