"""Writings: the driver stores what SQLAlchemy would, returns the key, and is refused, retried and ended alike."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, literal_column, select

from runtime.clock import utc_now
from runtime.errors import Unavailable
from services.identity import schema
from services.identity.outbox.outbox import INSERT
from services.identity.sessions.session import Origin
from services.identity.store.compiled_writes import InsertResult, StaticInsert
from services.identity.store.database import Database, Transaction
from services.identity.store.engine import store_url
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.faults.errors import DuplicateError, OrphanError
from services.identity.store.schema import migrate
from tests.conformance.identity.conftest import PASSWORD, SHORT, Identity
from tests.conformance.identity.statements import before_driver
from tests.conformance.identity.store.faults.test_codes import DriverError

users, sessions, outbox = schema.users, schema.sessions, schema.outbox
SESSION = StaticInsert(
    insert(sessions).values({each: bindparam(f"new_{each.name}", type_=each.type) for each in sessions.c})
)
MARKS = 'it\'s 100 %s \\ "ü" 🙂 :now $1 ?'
RACES: Mapping[str, int | str] = {"mysql": 1213, "postgresql": "40P01"}
STEPS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) FROM n)"


def session_row(user_id: str, number: int) -> dict[str, Any]:
    now = utc_now().replace(microsecond=123_000)
    times = {"created_at": now, "updated_at": now, "expires_at": now + timedelta(days=1)}
    texts = {"ip_address": "", "user_agent": MARKS, "additional": None}
    key = {"id": f"session-{number}", "user_id": user_id, "token_hash": f"hash-{number}"}
    return {**key, **times, **texts, "remembered": number % 2 == 0}


async def write(database: Database, writing: StaticInsert, row: Mapping[str, Any]) -> InsertResult:
    values = {f"new_{name}": value for name, value in row.items()}
    return await database.transaction("tests.write", lambda transaction: transaction.write(writing, values))


async def test_a_writing_stores_what_sqlalchemy_stores(identity: Identity) -> None:
    """Each column's type encodes its value: times to the millisecond, flags, texts with every kind of mark, null."""
    user, _ = await identity.sign_up()
    rows = [session_row(user.id, number) for number in range(4)]

    async def by_sqlalchemy(transaction: Transaction) -> None:
        await transaction.execute(insert(sessions).values(rows[2:]))

    assert [(await write(identity.database, SESSION, row)).rows for row in rows[:2]] == [1, 1]
    await identity.database.transaction("tests.insert", by_sqlalchemy)
    own = select(*sessions.c).where(sessions.c.id.like("session-%")).order_by(sessions.c.id)
    assert [each._asdict() for each in await identity.database.rows("tests.read", own)] == [
        {column.name: row[column.name] for column in sessions.c} for row in rows
    ]


async def test_the_key_of_a_writing_is_its_rows(identity: Identity) -> None:
    now = utc_now()
    row = {"created_at": now, "updated_at": now, "next_attempt_at": now, "topic": "tests", "payload": "", "attempts": 0}
    written = [await write(identity.database, INSERT, {**row, "key": key}) for key in ("a", "b")]
    own = select(outbox.c.id, outbox.c.key).where(outbox.c.topic == "tests").order_by(outbox.c.id)
    found = [tuple(each) for each in await identity.database.rows("tests.read", own)]
    assert found == [(written[0].key, "a"), (written[1].key, "b")]
    assert [each.rows for each in written] == [1, 1]


async def test_a_constraint_refuses_a_writing(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    row = session_row(user.id, 1)
    await write(identity.database, SESSION, row)
    with pytest.raises(DuplicateError):
        await write(identity.database, SESSION, row)
    with pytest.raises(OrphanError):
        await write(identity.database, SESSION, session_row("unknown", 2))
    assert (identity.database.pool.in_use, identity.database.pool.idle) == (0, 1)


async def test_a_writing_that_gives_way_is_run_again_with_its_whole_transaction(identity: Identity) -> None:
    """R20: one session and one note of it, though the first attempt had written the session."""
    database = identity.database
    if database.kind not in RACES:
        pytest.skip("SQLite has one writer: no transaction gives way to another")
    user, _ = await identity.sign_up()
    seen: list[str] = []

    async def give_way(_connection: object, statement: str, _parameters: object) -> None:
        seen.append(statement.partition("(")[0].strip())
        if seen[-1] == "INSERT INTO outbox" and seen.count("INSERT INTO outbox") == 1:
            raise DriverError(RACES[database.kind])

    before = len(await database.rows("tests.sessions", select(sessions.c.id)))
    with before_driver(database, give_way):
        await identity.authentication.sign_in(user.email, PASSWORD, Origin())
    assert [seen.count(f"INSERT INTO {table}") for table in ("sessions", "outbox")] == [2, 2]
    assert len(await database.rows("tests.sessions", select(sessions.c.id))) == before + 1


async def test_a_writing_ends_by_its_own_time_out_and_the_next_one_works(store: StoreUrl, identity: Identity) -> None:
    """The row that it waits for is locked by another transaction."""
    user, _ = await identity.sign_up()
    row = session_row(user.id, 1)
    async with Database.open(store, replace(SHORT, connections=1)) as hurried:

        async def work(transaction: Transaction) -> None:
            await transaction.execute(insert(sessions).values(row))
            with pytest.raises(Unavailable):
                await write(hurried, SESSION, row)

        await identity.database.transaction("tests.hold", work)
        with pytest.raises(DuplicateError):
            await write(hurried, SESSION, row)
        assert hurried.pool.in_use == 0


async def test_each_statement_of_a_transaction_on_sqlite_has_its_own_time(tmp_path: Path) -> None:
    """As on the servers: what went by between two statements is not the second one's."""
    url = f"sqlite:///{tmp_path}/trivet.db"
    migrate.upgrade(url)
    limits = replace(SHORT, statement_seconds=0.2, attempt_seconds=5.0)
    long = insert(outbox).from_select(
        ["topic", "key", "payload", "attempts", "created_at", "updated_at"],
        select(*map(literal_column, ("'tests'", "'key'", STEPS, "0", "'2026-01-01'", "'2026-01-01'"))),
    )

    async def work(transaction: Transaction) -> InsertResult:
        await asyncio.sleep(2 * limits.statement_seconds)  # the time itself: a statement that began before has ended
        return await transaction.write(StaticInsert(long), {})

    async with Database.open(store_url.parse(url), limits) as database:
        assert (await database.transaction("tests.long", work)).rows == 1
