"""Ids, hashes and emails compare byte by byte on every engine."""

import pytest
from sqlalchemy import Column, Table, insert, select, text

from runtime.ids import new_id, token_hash
from services.identity import schema
from services.identity.store.database import Database, Transaction
from services.identity.store.engine import store_url
from services.identity.store.faults.errors import DuplicateError
from tests.conformance.identity.conftest import Identity
from tests.conftest import Engines


async def _finds(database: Database, column: Column[str], value: str) -> bool:
    return await database.row("tests.find", select(column).where(column == value)) is not None


async def _insert(identity: Identity, table: Table, **values: object) -> None:
    now = identity.clock()

    async def work(transaction: Transaction) -> None:
        await transaction.execute(insert(table).values(created_at=now, updated_at=now, **values))

    await identity.database.transaction("tests.insert", work)


async def _insert_user(identity: Identity, email: str, user_id: str = "") -> None:
    row = {"id": user_id or new_id(), "email": email, "name": "", "email_verified": False, "role": "user"}
    await _insert(identity, schema.users, **row, banned=False)


async def test_an_accent_makes_another_address(identity: Identity) -> None:
    """The default collation of MariaDB would find `jose@x.io` for `josé@x.io`, and refuse the second of them."""
    await _insert_user(identity, "josé@x.io")
    assert not await _finds(identity.database, schema.users.c.email, "jose@x.io")
    await _insert_user(identity, "jose@x.io")
    await _insert_user(identity, "JOSE@x.io")
    with pytest.raises(DuplicateError):
        await _insert_user(identity, "jose@x.io")


async def test_the_damage_without_a_bytewise_collation(engine: Engines) -> None:
    """The protection off: what MariaDB's default says of the two addresses."""
    statement = text("SELECT 'josé@x.io' COLLATE utf8mb4_general_ci = 'jose@x.io' COLLATE utf8mb4_general_ci")
    async with Database.open(store_url.parse(engine.get("mariadb").url)) as database:
        assert await database.row("tests.collation", statement) == (1,)


async def test_the_case_of_an_id_matters(identity: Identity) -> None:
    await _insert_user(identity, "a@x.io", "abcDEF")
    assert not await _finds(identity.database, schema.users.c.id, "ABCdef")
    await _insert_user(identity, "b@x.io", "ABCdef")


async def test_the_case_of_a_hash_matters(identity: Identity) -> None:
    _, token = await identity.sign_up()
    assert await _finds(identity.database, schema.sessions.c.token_hash, token_hash(token))
    assert not await _finds(identity.database, schema.sessions.c.token_hash, token_hash(token).upper())


async def test_the_case_of_a_request_id_and_an_account_matters(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    for request_id in ("abc", "ABC"):
        await _insert(
            identity,
            schema.requests,
            id=new_id(),
            caller="tests",
            request_id=request_id,
            body_hash="",
            answer="",
            expires_at=identity.clock(),
        )
    for account_id in ("é", "e", "E"):
        await _insert(
            identity, schema.accounts, id=new_id(), user_id=user.id, account_id=account_id, provider="github", issuer=""
        )


async def test_a_time_keeps_its_milliseconds_and_its_order(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    identity.clock.move(milliseconds=877)  # a whole second: SQLite compares times as text
    await identity.sign_up("bob@x.io")
    statement = select(schema.users.c.created_at).order_by(schema.users.c.created_at)
    times = [row[0] for row in await identity.database.rows("tests.times", statement)]
    assert times == [user.created_at, identity.clock()]
    later = select(schema.users.c.id).where(schema.users.c.created_at > user.created_at)
    assert len(await identity.database.rows("tests.later", later)) == 1
