"""Reads all users with their accounts, a page at a time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, select

from services.identity import schema
from services.identity.store.database import Database

PAGE = 200
Row = RowMapping


@dataclass(frozen=True, slots=True)
class ExportedUser:
    """The rows of a user and of the user's accounts."""

    user: Row
    accounts: Sequence[Row]


async def pages(database: Database) -> AsyncIterator[list[ExportedUser]]:
    """Yield all users by id. A concurrent change can be missing or included."""
    users, accounts, last_id = schema.users, schema.accounts, ""
    while True:
        following = select(users).where(users.c.id > last_id).order_by(users.c.id).limit(PAGE)
        rows = [row._mapping for row in await database.rows("export.users", following)]
        if not rows:
            return
        theirs: dict[str, list[Row]] = {row["id"]: [] for row in rows}
        owned = select(accounts).where(accounts.c.user_id.in_(list(theirs))).order_by(accounts.c.id)
        for found in await database.rows("export.accounts", owned):
            theirs[found._mapping["user_id"]].append(found._mapping)
        yield [ExportedUser(row, theirs[row["id"]]) for row in rows]
        last_id = rows[-1]["id"]
