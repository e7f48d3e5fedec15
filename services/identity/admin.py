"""What an operator does to users, straight in the database: `trivet users ...`."""

from sqlalchemy import select, update

from runtime.clock import Clock, utc_now
from services.identity import schema, store_url
from services.identity.database import Database, Transaction
from services.identity.emails import normal_email
from services.identity.outbox import Outbox
from services.identity.revision import SchemaCheck
from services.identity.sessions import Lifetimes, Sessions
from services.identity.users import COLUMNS, Role, User, tag_of, user_of


async def promote(database_url: str, email: str, *, now: Clock = utc_now) -> User | None:
    """Make the user with this address an administrator; return the user, None if unknown.

    The user's sessions end: a new role is worn by a new session. Caches are told by the service's relay.
    Raises ServiceError when the database is gone, or its schema is old.
    """
    async with Database.open(store_url.parse(database_url), admit=SchemaCheck()) as database:
        outbox = Outbox(database, _leave_it_to_the_relay, now=now)
        sessions = Sessions(database, outbox, Lifetimes(), now=now)
        which = schema.users.c.email == normal_email(email)

        async def work(transaction: Transaction) -> User | None:
            changed = update(schema.users).where(which).values(role=Role.ADMIN.value, updated_at=now())
            if (await transaction.execute(changed)).rowcount == 0:
                return None
            user = user_of((await transaction.execute(select(*COLUMNS).where(which))).one())
            await sessions.end_all(transaction, user.id)
            await outbox.add(transaction, tag_of(user.id))
            return user

        return await database.transaction("users.promote", work)


async def _leave_it_to_the_relay(_: object) -> bool:
    return False
