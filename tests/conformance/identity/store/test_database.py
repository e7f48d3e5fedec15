"""Transactions on every engine: wholly or not at all, run again when the store says so, ended by their own time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import event, func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from runtime import failpoints
from runtime.errors import Unavailable
from runtime.ids import new_id
from services.identity import schema
from services.identity.passwords.hashing import Hasher
from services.identity.sessions.session import Revocation
from services.identity.store.database import ATTEMPTS, Database, Transaction
from services.identity.store.engine import store_url
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.engine.store_url import StoreUrl
from tests.conformance.identity.conftest import ENDLESS_ON_TIDB, SHORT, Identity, build, empty
from tests.harness.waiting import taking, until

users = schema.users
RUNNING = {
    "mysql": "SELECT id FROM information_schema.processlist "
    "WHERE (info LIKE '%SLEEP(%' OR info LIKE '%AS sleep%') AND id <> CONNECTION_ID()",
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(%' AND state = 'active' "
    "AND pid <> pg_backend_pid()",
}


@pytest.fixture
async def hurried(store: StoreUrl) -> AsyncIterator[Database]:
    """An empty database with few connections and little time."""
    async with Database.open(store, SHORT) as database:
        await empty(store)
        yield database


@pytest.fixture
def sleep(store: StoreUrl, request: pytest.FixtureRequest) -> str:
    """A reading statement that takes far too long."""
    if request.node.callspec.params["url"] == "tidb":
        return f"SELECT {ENDLESS_ON_TIDB} AS slept"
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    # MySQL ends a SLEEP of one row early, without an error; with two rows it reports the time-out.
    two_sleeps = "SELECT SLEEP(20) FROM (SELECT 1 UNION SELECT 2) AS two"
    return {"mysql": two_sleeps, "postgresql": "SELECT pg_sleep(20)"}.get(store.kind, endless)


async def _insert_user(transaction: Transaction, email: str) -> None:
    row = {"id": new_id(), "email": email, "name": "", "email_verified": False, "role": "user", "banned": False}
    times = dict.fromkeys(("created_at", "updated_at"), func.current_timestamp())
    await transaction.execute(insert(users).values(**row, **times))


async def _emails(database: Database) -> list[str]:
    return [row[0] for row in await database.rows("tests.emails", select(users.c.email).order_by(users.c.email))]


async def test_a_failure_leaves_nothing_behind(database: Database) -> None:
    async def work(transaction: Transaction) -> None:
        await _insert_user(transaction, "a@x.io")
        raise LookupError

    with pytest.raises(LookupError):
        await database.transaction("tests.work", work)
    assert await _emails(database) == []


async def test_a_transaction_that_must_give_way_is_run_again_from_its_start(database: Database) -> None:
    """R20: two transactions that lock the same rows the other way round; neither fails, no effect is partial."""
    for email in ("a@x.io", "b@x.io"):
        await database.transaction("tests.add", lambda transaction, e=email: _insert_user(transaction, e))  # type: ignore[misc]  # e is bound to this turn
    attempts = 0
    both_hold_one = asyncio.Barrier(2)

    async def rename(transaction: Transaction, first: str, second: str) -> None:
        nonlocal attempts
        attempts += 1
        for number, email in enumerate((first, second)):
            await transaction.execute(update(users).where(users.c.email == email).values(name=users.c.name + "x"))
            if number == 0 and attempts <= 2 and database.kind != "sqlite":
                await both_hold_one.wait()

    await asyncio.gather(
        database.transaction("tests.rename", lambda transaction: rename(transaction, "a@x.io", "b@x.io")),
        database.transaction("tests.rename", lambda transaction: rename(transaction, "b@x.io", "a@x.io")),
    )
    names = [row[0] for row in await database.rows("tests.names", select(users.c.name))]
    assert names == ["xx", "xx"]
    # SQLite has one writer: nobody has to give way there.
    assert attempts == (2 if database.kind == "sqlite" else 3)


async def test_a_wait_for_a_lock_that_was_too_long_is_begun_again(store: StoreUrl, database: Database) -> None:
    """R20: 1205 and 55P03. Whoever holds the row lets go once the other has given up a first time."""
    await database.transaction("tests.add", lambda transaction: _insert_user(transaction, "a@x.io"))
    rename = update(users).values(name=users.c.name + "x")
    is_held, let_go = asyncio.Event(), asyncio.Event()

    async def holding(transaction: Transaction) -> None:
        await transaction.execute(rename)
        is_held.set()
        await let_go.wait()

    patient = StoreLimits(connections=2, lock_seconds=1.0, statement_seconds=3.0, attempt_seconds=4.0, turn_seconds=4.0)
    async with Database.open(store, patient) as holder, Database.open(store, patient) as other:
        held = asyncio.create_task(holder.transaction("tests.hold", holding))
        await is_held.wait()
        cause = "BUSY" if database.kind == "sqlite" else "RACE"
        before = _retries(cause)
        waiting = asyncio.create_task(
            other.transaction("tests.rename", lambda transaction: transaction.execute(rename))
        )
        if database.kind == "sqlite":  # between processes its one writer refuses, and is asked again by the caller
            with pytest.raises(Unavailable):
                await waiting
        else:
            await until(lambda: _retries(cause) > before, 3)
        let_go.set()
        await asyncio.gather(held, waiting, return_exceptions=True)
    names = [row[0] for row in await database.rows("tests.names", select(users.c.name))]
    assert names == ["x" if database.kind == "sqlite" else "xx"]


def _retries(cause: str) -> float:
    return REGISTRY.get_sample_value("trivet_store_retries_total", {"cause": cause}) or 0.0


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_snapshot_that_another_overtook_is_begun_again(database: Database) -> None:
    """R20: 40001, of a transaction that asked PostgreSQL for a snapshot."""
    await database.transaction("tests.add", lambda transaction: _insert_user(transaction, "a@x.io"))
    attempts = 0
    rename = update(users).values(name=users.c.name + "x")

    async def work(transaction: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await transaction.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        await transaction.execute(select(users.c.name))
        if attempts == 1:
            await database.transaction("tests.overtake", lambda inner: inner.execute(rename))
        await transaction.execute(rename)

    await database.transaction("tests.rename", work)
    assert attempts == 2
    assert (await database.rows("tests.names", select(users.c.name)))[0] == ("xx",)


async def test_whoever_must_give_way_again_and_again_is_refused_and_has_done_nothing(database: Database) -> None:
    """R20: bounded, no partial effect."""
    attempts = 0

    async def work(transaction: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await _insert_user(transaction, "a@x.io")
        raise OperationalError("UPDATE", {}, Exception(1213, "Deadlock found"))

    with pytest.raises(Unavailable) as caught:
        await database.transaction("tests.work", work)
    assert (attempts, caught.value.reason) == (ATTEMPTS, "STORE_BUSY")
    assert await _emails(database) == []


async def test_a_statement_ends_by_its_own_time_out(hurried: Database, sleep: str) -> None:
    """R5: the store ends it (MySQL, PostgreSQL) or we let go of it; either way long before its 20 s are over."""
    with taking(SHORT.statement_seconds / 2, 10), pytest.raises(Unavailable):
        await hurried.rows("tests.sleep", text(sleep))
    assert await _emails(hurried) == []
    if (running := RUNNING.get(hurried.kind)) is not None:

        async def is_over() -> bool:
            return not await hurried.rows("tests.running", text(running))

        await until(is_over, 2)  # the server too has let go of it


async def test_a_full_pool_refuses_quickly_and_recovers(hurried: Database, sleep: str) -> None:
    """R21: what waits longer than it may fails fast, nothing leaks."""
    work = [hurried.rows("tests.sleep", text(sleep)) for _ in range(4 * SHORT.connections)]
    done = await asyncio.gather(*work, return_exceptions=True)
    assert all(isinstance(each, Unavailable) for each in done)
    assert "STORE_BUSY" in {each.reason for each in done if isinstance(each, Unavailable)}
    assert await _emails(hurried) == []
    assert hurried.pool.in_use == 0


async def test_a_cancelled_call_leaves_no_half_used_connection(hurried: Database) -> None:
    """R6: the work goes to its end, the connection back to the pool."""
    calls = [asyncio.create_task(hurried.rows("tests.one", text("SELECT 1"))) for _ in range(50)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await until(lambda: len(hurried.tasks) == 0, 2)
    assert hurried.pool.in_use == 0
    assert await hurried.row("tests.two", text("SELECT 2")) == (2,)


async def _cancelled_after_commit(identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign somebody out, and leave between the commit and what follows it."""
    _, token = await identity.sign_up()
    gate = tmp_path / "gate"
    monkeypatch.setitem(failpoints.armed, "identity.after_commit", f"pause:{gate}")
    call = asyncio.create_task(identity.sessions.sign_out(token))
    await until((tmp_path / "gate.reached").exists, 2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    gate.touch()


async def test_a_caller_that_leaves_after_the_commit_skips_nothing(
    identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R2, R16: caches are told although nobody waits any more."""
    await _cancelled_after_commit(identity, tmp_path, monkeypatch)
    await until(lambda: len(identity.cache.told) == 1, 2)


async def test_the_damage_when_work_is_the_callers_own(
    store: StoreUrl, database: Database, hasher: Hasher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protection off: the commit is there, and no cache hears of it before the relay comes."""
    async with Database.open(store, detached=False) as attached:
        identity = build(attached, hasher)
        await _cancelled_after_commit(identity, tmp_path, monkeypatch)
        assert identity.cache.told == []
        assert await identity.database.rows("tests.sessions", select(schema.sessions.c.id)) == []
        assert await identity.outbox.relay() == 1


async def test_what_follows_a_commit_delays_no_answer_for_long(identity: Identity) -> None:
    _, token = await identity.sign_up()
    let_go = asyncio.Event()

    async def slow(_: object) -> bool:
        await let_go.wait()
        return True

    identity.outbox._invalidate = slow
    with taking(0.19, 2):  # the cache itself would never answer
        assert await identity.sessions.sign_out(token) == Revocation(1, confirmed=False)
    let_go.set()


async def test_a_commit_whose_follow_ups_have_no_room_is_still_a_success(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are left to the relay, which finds their notes."""
    _, token = await identity.sign_up()
    await until(lambda: len(identity.database.tasks) == 0, 2)
    monkeypatch.setattr(identity.database.tasks, "_limit", 1)  # the transaction's own
    assert await identity.sessions.sign_out(token) == Revocation(1, confirmed=False)
    monkeypatch.undo()
    assert identity.cache.told == []
    assert await identity.outbox.relay() == 1


@pytest.mark.parametrize(("idle_seconds", "connects"), [(0.0, 2), (60.0, 1)])
async def test_a_connection_that_was_idle_too_long_is_replaced(
    store: StoreUrl, idle_seconds: float, connects: int
) -> None:
    async with Database.open(store, replace(SHORT, idle_seconds=idle_seconds)) as database:
        opened = _connects(database)
        await database.ping()
        assert await database.row("tests.one", text("SELECT 1")) == (1,)
        assert len(opened) == connects


async def test_a_pool_opens_no_more_connections_than_it_may(store: StoreUrl) -> None:
    async with Database.open(store, replace(SHORT, pool_seconds=20.0)) as database:
        opened = _connects(database)
        await asyncio.gather(*(database.ping() for _ in range(10 * SHORT.connections)))
        assert 1 <= len(opened) <= SHORT.connections


def _connects(database: Database) -> list[object]:
    """Return a list that grows with each connection that is opened from now on."""
    opened: list[object] = []
    event.listen(database.engine.sync_engine, "connect", lambda connection, _: opened.append(connection))
    return opened


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    for url in ("mysql://u:p@127.0.0.1:1/x", "postgresql://u:p@127.0.0.1:1/x", f"sqlite:///{tmp_path}/no/such.db"):
        async with Database.open(store_url.parse(url), SHORT) as database:
            with pytest.raises(Unavailable) as caught:
                await database.ping()
            assert caught.value.reason == "STORE_UNAVAILABLE"
            assert "127.0.0.1" not in caught.value.message
