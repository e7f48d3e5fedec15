"""Audit events: who signed in and what was changed. They go through the outbox, so a crash loses none."""

import json
from dataclasses import asdict, dataclass, field
from enum import Enum

from runtime.clock import Clock, utc_now
from runtime.ids import new_id
from services.identity.outbox.outbox import Outbox
from services.identity.sessions.session import Origin
from services.identity.store.database import Database, Transaction

TOPIC = "audit.record"


class EventKind(Enum):
    """The kinds of audit events."""

    SIGNED_UP = "signed_up"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # no password
    PASSWORD_RESET = "password_reset"  # noqa: S105  # no password
    EMAIL_VERIFIED = "email_verified"
    EMAIL_CHANGED = "email_changed"
    ACCOUNT_LINKED = "account_linked"
    ACCOUNT_UNLINKED = "account_unlinked"
    ROLE_CHANGED = "role_changed"
    BANNED = "banned"
    UNBANNED = "unbanned"
    SESSIONS_REVOKED = "sessions_revoked"
    DELETED = "deleted"
    MESSAGES_RETRIED = "outbox.retried"
    MESSAGES_DROPPED = "outbox.dropped"
    IMPORTED = "users.imported"
    RESEALED = "tokens.resealed"


@dataclass(frozen=True, slots=True)
class Event:
    """An event about a user. `detail` says in a word how or why.

    `user_id` is empty for an unknown user, and for an event about no single user. `actor` caused the event: a user's
    id or `service:NAME`, empty for the user in `user_id`.
    """

    happened: EventKind
    user_id: str
    actor: str = ""
    origin: Origin = field(default_factory=Origin)
    detail: str = ""


class Audit:
    """Hands audit events to the notifications service, which stores them."""

    def __init__(self, database: Database, outbox: Outbox, *, now: Clock = utc_now) -> None:
        self._database = database
        self._outbox = outbox
        self._now = now

    async def record(self, transaction: Transaction, event: Event) -> None:
        """Record an event if the transaction commits."""
        await self._outbox.put(transaction, TOPIC, event.user_id, self._payload(event))

    async def record_alone(self, event: Event) -> None:
        """Record an event in a transaction of its own."""

        async def work(transaction: Transaction) -> None:
            await self.record(transaction, event)

        await self._database.transaction("audit.note", work)

    def _payload(self, event: Event) -> str:
        values = asdict(event) | {"id": new_id(), "time": self._now().isoformat(), "happened": event.happened.value}
        values["origin"] = {"ip_address": event.origin.ip_address, "user_agent": event.origin.user_agent}
        return json.dumps(values)
