"""Statements are measured by name on every engine, and slow ones are logged with their plan and without values."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import bindparam, func, select, update

from services.identity import schema
from services.identity.passwords.credentials import BY_EMAIL
from services.identity.passwords.hashing import Hasher
from services.identity.store.compiled_reads import StaticSelect
from services.identity.store.database import Database, Transaction
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.faults.errors import DuplicateError
from services.identity.store.plans import Explained, plan_of
from tests.conformance.identity.conftest import Identity, build, empty
from tests.harness.waiting import until

users, sessions = schema.users, schema.sessions
EMAIL = "somebody.private@example.org"
NAME = "Wilhelmina"
LOGGER = "services.identity.store.statement_times"


@pytest.fixture
async def slow(store: StoreUrl, hasher: Hasher) -> AsyncIterator[Identity]:
    """The parts on a database where every statement is slow."""
    limits = StoreLimits(connections=3, pool_seconds=10, statement_seconds=9, attempt_seconds=10, slow_seconds=1e-9)
    async with Database.open(store, limits) as database:
        await empty(store)
        yield build(database, hasher)


def count(database: Database, operation: str, statement: str, name: str = "duration_seconds_count") -> float:
    labels = {"system": database.kind, "operation": operation, "statement": statement}
    prefix = "trivet_statement_" if name.startswith("duration") else "trivet_slow_statements_"
    return REGISTRY.get_sample_value(prefix + name, labels) or 0


async def test_each_statement_is_measured_by_its_operation_and_verb(identity: Identity) -> None:
    database = identity.database
    names = [(BY_EMAIL.operation, "select"), ("tests.emails", "select")]
    names += [("tests.rename", "update"), ("tests.rename", "commit")]
    before = [count(database, *name) for name in names]

    async def rename(transaction: Transaction) -> None:
        await transaction.execute(update(users).values(name="x"))

    await database.first(BY_EMAIL, email=EMAIL)
    await database.rows("tests.emails", select(users.c.email))
    await database.transaction("tests.rename", rename)
    assert [count(database, *name) for name in names] == [each + 1 for each in before]


async def test_a_statement_that_fails_is_measured_too(database: Database) -> None:
    before = count(database, "tests.twice", "insert")

    async def twice(transaction: Transaction) -> None:
        row = {"id": 7, "topic": "t", "key": "k", "payload": "", "attempts": 0}
        times = dict.fromkeys(("created_at", "updated_at"), func.current_timestamp())
        for _ in range(2):
            await transaction.execute(schema.outbox.insert().values(row | times))

    with pytest.raises(DuplicateError):
        await database.transaction("tests.twice", twice)
    assert count(database, "tests.twice", "insert") == before + 2


async def test_slow_statements_are_logged_with_their_plan_and_without_values(
    slow: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """A reading, an update with an IN, and an INSERT ... SELECT: no name, email, id or hash is in a line."""
    caplog.set_level(logging.WARNING, LOGGER)
    user, token = await slow.sign_up(EMAIL)
    await slow.database.tasks.drain(10)
    caplog.clear()
    await slow.database.first(BY_EMAIL, email=EMAIL)
    await slow.database.tasks.drain(10)

    async def rename(transaction: Transaction) -> None:
        chosen = users.c.id.in_([user.id, NAME]) & (users.c.email == EMAIL)
        await transaction.execute(update(users).where(chosen).values(name=NAME))

    await slow.database.transaction("tests.rename", rename)
    await slow.database.tasks.drain(10)
    lines = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert any("tests.rename" in line for line in lines), lines
    assert all("plan: " in line and "plan: unknown" not in line for line in lines), lines
    for secret in (EMAIL, NAME, user.id, token, slow.clock().isoformat()[:10]):
        assert not any(secret in line for line in lines), lines
    assert count(slow.database, "tests.rename", "update", "total") >= 1
    # Each line is logged once a minute.
    caplog.clear()
    await slow.database.transaction("tests.rename", rename)
    await slow.database.tasks.drain(10)
    assert [record for record in caplog.records if "UPDATE" in record.getMessage()] == []


async def test_a_plan_names_the_table_and_how_it_is_read(identity: Identity) -> None:
    user, _ = await identity.sign_up(EMAIL)
    assert "users" in await _plan(identity.database, user.id)
    assert user.id not in await _plan(identity.database, user.id)


async def _plan(database: Database, user_id: str) -> str:
    by_id = select(users.c.email).where(users.c.id == bindparam("user_id"))
    explained = Explained.of(by_id, {"user_id": user_id}, database.engine.dialect)
    async with database.pool.lend(5) as lent:
        return await plan_of(database.kind, lent.driver, explained)


async def test_a_plan_that_the_engine_refuses_leaves_the_connection_usable(database: Database) -> None:
    broken = Explained("SELECT absent FROM nowhere", ())
    for _ in range(2):
        with pytest.raises(Exception, match="nowhere"):
            async with database.pool.lend(5) as lent:
                await plan_of(database.kind, lent.driver, broken)
    assert await _plan(database, "unknown")


async def test_the_wait_for_a_connection_is_measured_only_if_there_is_one(store: StoreUrl) -> None:
    def waits() -> float:
        return REGISTRY.get_sample_value("trivet_store_pool_wait_seconds_count", {"system": store.kind}) or 0

    reading = StaticSelect("tests.ids", select(users.c.id))
    async with Database.open(store, replace(StoreLimits(), connections=1, pool_seconds=5)) as database:
        before = waits()
        await database.first(reading)
        assert waits() == before
        async with database.pool.lend(1):
            waiting = asyncio.create_task(database.first(reading))
            await until(lambda: database.pool.waiting == 1)
        await waiting
        assert waits() == before + 1
    assert REGISTRY.get_sample_value("trivet_store_pool_limit", {"system": store.kind}) == 1
