"""One-time secrets: stored as SHA-256 for one purpose and subject, and used up by one call."""

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
    """The subject of a secret, for example a user id, and the data that was stored with it."""

    subject: str
    data: str


class OneTimeSecrets:
    """The one-time secrets of a database. A purpose is a word without a colon, for example `reset-password`.

    Several secrets can exist for one purpose and subject; `void` deletes them all.
    """

    def __init__(self, database: Database, *, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now

    async def put(
        self, transaction: Transaction, purpose: str, subject: str, secret: str, lifetime: timedelta, *, data: str = ""
    ) -> None:
        """Store a secret's hash for `lifetime`. Raises DuplicateError if this secret is stored already."""
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
        """Return a secret's subject and data without using it up; None if it is unknown, used or expired."""
        row = await self._database.row("verifications.find", self._open(secret))
        return _verification(row.identifier, row.data, purpose) if row else None

    async def take(
        self, transaction: Transaction, purpose: str, secret: str, *, subject: str | None = None
    ) -> OneTimeSecret | None:
        """Use a secret up and return its subject and data; None if it is unknown, used, expired or of another subject.

        Of concurrent calls, one gets it. The secret is used up only if the transaction commits.
        """
        row = (await transaction.execute(self._open(secret))).first()
        found = _verification(row.identifier, row.data, purpose) if row else None
        if row is None or found is None or (subject is not None and found.subject != subject):
            return None
        # The call that deletes the row gets the secret: the others wait here, and find no row.
        gone = await transaction.execute(delete(verifications).where(verifications.c.id == row.id))
        return found if gone.rowcount else None

    async def void(self, transaction: Transaction, purpose: str, subject: str) -> None:
        """Delete all secrets of a purpose and a subject."""
        await transaction.execute(delete(verifications).where(verifications.c.identifier == f"{purpose}:{subject}"))

    async def forget(self, transaction: Transaction, user_id: str) -> None:
        """Delete every secret of a user, for all purposes in OF_USERS."""
        identifiers = [f"{purpose}:{user_id}" for purpose in OF_USERS]
        await transaction.execute(delete(verifications).where(verifications.c.identifier.in_(identifiers)))

    def _open(self, secret: str) -> Select[Any]:
        return select(verifications.c.id, verifications.c.identifier, verifications.c.data).where(
            verifications.c.value == token_hash(secret), verifications.c.expires_at > self._now()
        )


def _verification(identifier: str, data: str | None, purpose: str) -> OneTimeSecret | None:
    found, _, subject = identifier.partition(":")
    return OneTimeSecret(subject, data or "") if found == purpose else None
