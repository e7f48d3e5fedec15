"""Identity's operations on its own database, for subcommands. They work with or without a running stack.

Cache invalidations stay in the outbox. The relay of a running stack delivers them within a second or two.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from ops.errors import CommandFailed
from ops.identity.database import url
from ops.identity.database_failures import explained
from runtime.errors import InvalidArgument
from services.identity.email.addresses import foreign_email
from services.identity.outbox.audit import Audit
from services.identity.outbox.backlog import Backlog
from services.identity.outbox.outbox import Outbox
from services.identity.passwords.credentials import Credentials
from services.identity.sessions.session import Lifetimes
from services.identity.sessions.sessions import Sessions
from services.identity.store.database import Database
from services.identity.store.engine import store_url
from services.identity.store.schema.schema_check import SchemaCheck
from services.identity.stores import Stores
from services.identity.users.administration import Administration
from services.identity.users.users import User, Users

T = TypeVar("T")
ACTOR = "service:ops"


@dataclass(frozen=True, slots=True)
class IdentityAccess:
    """Identity's domain objects on one open database."""

    database: Database
    users: Users
    accounts: Credentials
    sessions: Sessions
    administration: Administration
    audit: Audit
    backlog: Backlog

    async def user(self, who: str, hint: str = "list all users with `trivet users list`") -> User:
        """Return the user with this email address or id. Raises CommandFailed, which ends with the advice `hint`."""
        found = None
        if "@" not in who:
            found = await self.users.find(who) if who.isascii() and "\0" not in who else None
        else:
            try:
                credential = await self.accounts.by_email(foreign_email(who))
            except InvalidArgument:
                raise CommandFailed(f"{who} is not an email address") from None
            found = credential.user if credential else None
        if found is None:
            raise CommandFailed(f"there is no user {who}: {hint}")
        return found


@asynccontextmanager
async def open_identity(address: str) -> AsyncIterator[IdentityAccess]:
    """Open the database at an address. Raises ServiceError if it cannot be reached or its schema is old."""
    async with Database.open(store_url.parse(address), check_schema=SchemaCheck()) as database:
        outbox = Outbox(database, leave_it_to_the_relay)
        stores = Stores.on(database, outbox, Lifetimes())
        administration = Administration(stores)
        yield IdentityAccess(
            database, stores.users, stores.credentials, stores.sessions, administration, stores.audit, Backlog(database)
        )


async def leave_it_to_the_relay(_: object) -> bool:
    """Deliver nothing: the message stays in the outbox for a running stack."""
    return False


def with_identity(work: Callable[[IdentityAccess], Awaitable[T]]) -> T:
    """Do the work on the database of this clone's stack. Raises CommandFailed with advice for the operator."""

    async def run(address: str) -> T:
        async with open_identity(address) as identity:
            return await work(identity)

    address = url()
    with explained(address):
        return asyncio.run(run(address))
