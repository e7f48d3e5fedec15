"""The stores of one database. The use cases of all domains share them."""

from dataclasses import dataclass
from typing import Self

from runtime.clock import Clock, utc_now
from services.identity.email.one_time_secrets import OneTimeSecrets
from services.identity.outbox.audit import Audit
from services.identity.outbox.outbox import Outbox
from services.identity.passwords.credentials import Credentials
from services.identity.sessions.session import Lifetimes
from services.identity.sessions.sessions import Sessions
from services.identity.store.database import Database
from services.identity.users.users import Users


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores that use cases are built on."""

    database: Database
    outbox: Outbox
    audit: Audit
    users: Users
    credentials: Credentials
    sessions: Sessions
    one_time_secrets: OneTimeSecrets
    now: Clock

    @classmethod
    def on(
        cls,
        database: Database,
        outbox: Outbox,
        lifetimes: Lifetimes,
        *,
        requires_verification: bool = False,
        now: Clock = utc_now,
    ) -> Self:
        """Return the stores of a database. `requires_verification` is the rule of the session gate."""
        sessions = Sessions(database, outbox, lifetimes, requires_verification=requires_verification, now=now)
        return cls(
            database=database,
            outbox=outbox,
            audit=Audit(database, outbox, now=now),
            users=Users(database, outbox, now=now),
            credentials=Credentials(database, now=now),
            sessions=sessions,
            one_time_secrets=OneTimeSecrets(database, now=now),
            now=now,
        )
