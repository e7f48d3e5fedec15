"""A user who is deleted leaves no row behind, whatever is inserted at that moment."""

import asyncio
from collections.abc import Awaitable

import pytest
from sqlalchemy import delete, func, insert, select

from runtime.ids import new_id
from services.identity.schema import accounts, users
from services.identity.store.database import Database, Transaction
from services.identity.users.tables import tables_of_users
from tests.conformance.identity.conftest import OPERATOR, Identity
from tests.harness.stores.mysql_like import sql_engines

ROUNDS = 5


async def orphans(database: Database) -> dict[str, int]:
    """Return how many rows of each table belong to a user who is not there."""
    found = {}
    for table in tables_of_users():
        gone = table.c.user_id.not_in(select(users.c.id))
        row = await database.row("tests.orphans", select(func.count()).select_from(table).where(gone))
        found[table.name] = row[0] if row else 0
    return found


async def _delete_while_linking(identity: Identity, user_id: str, delete_user: Awaitable[None]) -> None:
    """Have a user deleted while a provider's account of theirs is inserted and not committed."""
    now = identity.clock()
    own = {"id": new_id(), "user_id": user_id, "account_id": user_id, "provider": "github", "issuer": ""}
    inserted, may_commit = asyncio.Event(), asyncio.Event()

    async def link(transaction: Transaction) -> None:
        await transaction.execute(insert(accounts).values(**own, created_at=now, updated_at=now))
        inserted.set()
        await may_commit.wait()

    linking = asyncio.create_task(identity.database.transaction("tests.link", link))
    await inserted.wait()
    removing = asyncio.ensure_future(delete_user)
    await asyncio.wait({removing}, timeout=0.05)  # it waits for the account, and is not done before
    may_commit.set()
    await asyncio.gather(linking, removing)


async def test_a_user_who_is_deleted_leaves_no_row_that_was_inserted_at_that_moment(identity: Identity) -> None:
    for number in range(ROUNDS):
        user, _ = await identity.sign_up(f"{number}@x.io")
        await _delete_while_linking(identity, user.id, identity.deletion.delete(user.id, actor=OPERATOR))
    assert await identity.database.rows("tests.users", select(users.c.id)) == []
    assert await orphans(identity.database) == dict.fromkeys(("sessions", "accounts", "subscriptions"), 0)


@pytest.mark.parametrize("url", [name for name in sql_engines() if name == "tidb"], indirect=True)
async def test_a_cascade_of_tidb_alone_leaves_a_row_that_was_inserted_at_that_moment(identity: Identity) -> None:
    """The damage: a DELETE that is a transaction of its own is optimistic there, and its cascade misses the row."""

    async def delete_alone(user_id: str) -> None:
        async with identity.database.engine.connect() as connection:
            await connection.execute(delete(users).where(users.c.id == user_id))

    for number in range(ROUNDS):
        user, _ = await identity.sign_up(f"{number}@x.io")
        await _delete_while_linking(identity, user.id, delete_alone(user.id))
    assert await identity.database.rows("tests.users", select(users.c.id)) == []
    assert (await orphans(identity.database))["accounts"] > 0


def test_the_tables_of_users_are_all_tables_that_refer_to_a_user() -> None:
    assert {table.name for table in tables_of_users()} == {"sessions", "accounts", "subscriptions"}
