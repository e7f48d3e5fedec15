"""Readings: what the driver returns means the same as through SQLAlchemy, and connections are lent in turn."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Select, bindparam, func, literal_column, select

from runtime.errors import Unavailable
from services.identity import schema
from services.identity.passwords.credentials import BY_EMAIL, BY_USER
from services.identity.sessions.sessions import VERIFY
from services.identity.store.compiled_reads import StaticSelect
from services.identity.store.database import Database
from services.identity.store.engine.store_url import StoreUrl
from services.identity.users.users import BY_ID
from tests.conformance.identity.conftest import ENDLESS_ON_TIDB, SHORT, Identity
from tests.harness.waiting import until

users = schema.users
ENDLESS = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n)"
EMAIL = "ann@x.io"


@pytest.fixture
async def hurried(store: StoreUrl) -> AsyncIterator[Database]:
    """A database with one connection and little time."""
    async with Database.open(store, replace(SHORT, connections=1)) as database:
        yield database


@pytest.fixture
def slow(store: StoreUrl, request: pytest.FixtureRequest) -> StaticSelect:
    """A reading that takes far too long."""
    if request.node.callspec.params["url"] == "tidb":
        return StaticSelect("tests.slow", select(literal_column(ENDLESS_ON_TIDB)))
    twice = select(literal_column("1")).union_all(select(literal_column("2"))).subquery()
    statements: dict[str, Select[tuple[object]]] = {
        "mysql": select(func.sleep(20)).select_from(twice),
        "postgresql": select(func.pg_sleep(20)),
    }
    return StaticSelect("tests.slow", statements.get(store.kind, select(literal_column(ENDLESS))))


async def test_a_reading_finds_what_sqlalchemy_finds(identity: Identity) -> None:
    """Each column's type decodes its values: times are aware, flags are booleans."""
    user, _ = await identity.sign_up(EMAIL)
    banned = {"banned": True, "ban_reason": "spam", "ban_expires": identity.clock() + timedelta(days=1)}
    await identity.users.update(user.id, banned, {})
    token_hash = (await identity.database.rows("tests.hash", select(schema.sessions.c.token_hash)))[0][0]
    values = {"user_id": user.id, "email": EMAIL, "token_hash": token_hash}
    for reading in (BY_ID, BY_EMAIL, BY_USER, VERIFY):
        wanted = await identity.database.row("tests.read", reading.statement.params(**values))
        assert wanted is not None, reading.operation
        found = await identity.database.first(reading, **values)
        assert found == tuple(wanted)
        assert [type(each) for each in found] == [type(each) for each in wanted]


async def test_a_reading_that_finds_nothing_is_none(identity: Identity) -> None:
    assert await identity.database.first(BY_ID, user_id="unknown") is None


async def test_a_reading_ends_by_its_own_time_out_and_the_next_one_works(hurried: Database, slow: StaticSelect) -> None:
    with pytest.raises(Unavailable):
        await hurried.first(slow)
    assert await hurried.first(BY_ID, user_id="unknown") is None
    assert hurried.pool.in_use == 0


async def test_a_reading_whose_caller_leaves_goes_to_its_end(hurried: Database) -> None:
    """R6: a cancel costs no connection."""
    await hurried.ping()
    call = asyncio.create_task(hurried.first(BY_ID, user_id="unknown"))
    async with asyncio.timeout(2):
        while hurried.pool.in_use == 0:  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0)  # one turn of the loop: the statement is sent and not yet answered
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: len(hurried.tasks) == 0, 2)
    assert (hurried.pool.in_use, hurried.pool.idle) == (0, 1)


async def test_a_connection_that_comes_back_goes_to_whoever_waits_longest(hurried: Database) -> None:
    """A caller that reads again and again does not push aside one that waits."""
    order: list[str] = []
    let_go = asyncio.Event()

    async def work(_: object) -> None:
        await let_go.wait()

    async def patient() -> None:
        await hurried.ping()
        order.append("patient")

    async def greedy() -> None:
        await hurried.transaction("tests.hold", work)
        await hurried.first(BY_ID, user_id="unknown")
        order.append("greedy")

    holding = asyncio.create_task(greedy())
    await until(lambda: hurried.pool.in_use == 1, 2)
    waiting = asyncio.create_task(patient())
    await until(lambda: len(hurried.tasks) == 2, 2)
    let_go.set()
    await asyncio.gather(holding, waiting)
    assert order == ["patient", "greedy"]


async def test_a_wrong_reading_is_a_bug_and_costs_no_connection(hurried: Database) -> None:
    wrong = StaticSelect(
        "tests.wrong", select(literal_column("no_such_column")).where(users.c.id == bindparam("user_id"))
    )
    with pytest.raises(Exception, match="no_such_column"):
        await hurried.first(wrong, user_id="x")
    assert await hurried.first(BY_ID, user_id="unknown") is None
