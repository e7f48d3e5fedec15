"""Identity's verbs on its database itself: for subcommands that work beside a running stack, or without one.

What caches must forget is left in the outbox: the relay of a running stack tells them within a second or two.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from ops.errors import Refused
from ops.identity.database import url
from ops.identity.database_failures import explained
from runtime.errors import InvalidArgument
from services.identity.email.addresses import foreign_email
from services.identity.outbox.audit import Audit
from services.identity.outbox.backlog import Backlog
from services.identity.outbox.outbox import Outbox
from services.identity.passwords.credentials import Credentials
from services.identity.sessions.sessions import Lifetimes, Sessions
from services.identity.store.database import Database
from services.identity.store.engine import store_url
from services.identity.store.schema.schema_check import SchemaCheck
from services.identity.users.administration import Administration
from services.identity.users.users import User, Users

T = TypeVar("T")
ACTOR = "service:ops"


@dataclass(frozen=True, slots=True)
class Desk:
    """What an operator works with."""

    database: Database
    users: Users
    accounts: Credentials
    sessions: Sessions
    administration: Administration
    audit: Audit
    backlog: Backlog

    async def user(self, who: str, mend: str = "look with `trivet users list`") -> User:
        """Return the user with an address or an id. Raises Refused, which tells how to mend that there is none."""
        found = None
        if "@" not in who:
            found = await self.users.find(who) if who.isascii() and "\0" not in who else None
        else:
            try:
                credential = await self.accounts.by_email(foreign_email(who))
            except InvalidArgument:
                raise Refused(f"{who} is not an email address") from None
            found = credential.user if credential else None
        if found is None:
            raise Refused(f"nobody has signed up as {who}: {mend}")
        return found


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Desk]:
    """Open the database at an address. Raises ServiceError when it is gone, or its schema is old."""
    async with Database.open(store_url.parse(address), admit=SchemaCheck()) as database:
        outbox = Outbox(database, leave_it_to_the_relay)
        audit, accounts, users = Audit(database, outbox), Credentials(database), Users(database, outbox)
        sessions = Sessions(database, outbox, Lifetimes())
        administration = Administration(database, users, accounts, sessions, outbox, audit)
        yield Desk(database, users, accounts, sessions, administration, audit, Backlog(database))


async def leave_it_to_the_relay(_: object) -> bool:
    """Invalidate nothing: the note stays for a running stack."""
    return False


def at_desk(work: Callable[[Desk], Awaitable[T]]) -> T:
    """Do the work on the database of this clone's stack. Raises Refused with what the operator can mend."""

    async def run(address: str) -> T:
        async with opened(address) as desk:
            return await work(desk)

    address = url()
    with explained(address):
        return asyncio.run(run(address))
