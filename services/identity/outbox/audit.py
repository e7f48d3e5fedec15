"""What must be known afterwards of who came in and what was changed: events that no crash loses."""

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
    """What an event tells of."""

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
    """One thing that happened to a user: an id that is its own, by whom, from where, and in a word how or why.

    `user_id` is empty for a user who does not exist, and for what concerns no single user. `actor` is a user's id or
    `service:NAME`, empty for the user.
    """

    happened: EventKind
    user_id: str
    actor: str = ""
    origin: Origin = field(default_factory=Origin)
    detail: str = ""


class Audit:
    """Events on their way to the notifications service, which keeps them."""

    def __init__(self, database: Database, outbox: Outbox, *, now: Clock = utc_now) -> None:
        self._database = database
        self._outbox = outbox
        self._now = now

    async def record(self, transaction: Transaction, event: Event) -> None:
        """Tell of an event if, and only if, the transaction takes place."""
        await self._outbox.put(transaction, TOPIC, event.user_id, self._payload(event))

    async def record_alone(self, event: Event) -> None:
        """Tell of an event that changed nothing."""

        async def work(transaction: Transaction) -> None:
            await self.record(transaction, event)

        await self._database.transaction("audit.note", work)

    def _payload(self, event: Event) -> str:
        values = asdict(event) | {"id": new_id(), "time": self._now().isoformat(), "happened": event.happened.value}
        values["origin"] = {"ip_address": event.origin.ip_address, "user_agent": event.origin.user_agent}
        return json.dumps(values)
