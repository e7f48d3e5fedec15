"""PostgreSQL behind Debian's PgBouncer in transaction mode, where each transaction can be on another server."""

import asyncio
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import Executable, text
from sqlalchemy.engine import make_url

from runtime.errors import Unavailable
from services.identity.sessions.session import Origin
from services.identity.store.database import Database, Transaction
from services.identity.store.engine import store_url
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.engine.pooled_dialect import PooledDialect
from services.identity.store.schema import migrate
from tests.conformance.identity.conftest import PASSWORD, SHORT, Identity
from tests.conftest import Engines
from tests.harness.processes import client, process
from tests.harness.stores.pgbouncer import SERVERS
from tests.harness.waiting import until
from trivet.identity.v1.auth_service_pb2 import SignUpRequest
from trivet.identity.v1.auth_service_pb2_grpc import AuthServiceStub
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest
from trivet.identity.v1.session_service_pb2_grpc import SessionServiceStub

pooled = pytest.mark.parametrize("url", ["pgbouncer"], indirect=True)
SERVER: Executable = text(
    "SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements), current_setting('lock_timeout')"
)


@pytest.mark.parametrize(("url", "is_pooled"), [("pgbouncer", True), ("postgresql", False)], indirect=["url"])
async def test_a_pooler_between_is_noticed(database: Database, is_pooled: bool) -> None:
    await database.ping()
    dialect = database.engine.dialect
    assert isinstance(dialect, PooledDialect)
    assert dialect.is_pooled is is_pooled


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_an_address_that_names_a_pooler_is_believed(url: str) -> None:
    """One that passes the server's process id on is not noticed: here, none at all."""
    async with Database.open(store_url.parse(f"{url}?pgbouncer=true"), SHORT) as database:
        row = await database.row("tests.server", SERVER)
        assert row is not None
        assert tuple(row)[1:] == (0, "1100ms")
        async with database.pool.lend(5) as lent:
            assert lent.is_pooled


@pooled
async def test_the_damage_where_it_is_not_noticed(store: store_url.StoreUrl, caplog: pytest.LogCaptureFixture) -> None:
    """The protection off: PgBouncer refuses a session's settings. The log has its own words."""
    async with Database.open(store, SHORT) as database:
        database.engine.dialect.is_pooled = False  # type: ignore[attr-defined]  # PooledDialect's
        with pytest.raises(Unavailable):
            await database.ping()
    assert "unsupported startup parameter" in caplog.text


@pooled
async def test_calls_go_on_while_their_servers_change(identity: Identity, database: Database) -> None:
    """Many at once over few servers: each has its settings, and none leaves a statement behind."""
    signed_up = await asyncio.gather(*(identity.sign_up(f"{number}@x.io") for number in range(10)))
    for _ in range(3):
        found = await asyncio.gather(*(identity.sessions.verify(token) for _, token in signed_up))
        assert [each.user.id for each in found] == [user.id for user, _ in signed_up]
    await asyncio.gather(*(identity.authentication.sign_in(user.email, PASSWORD, Origin()) for user, _ in signed_up))
    seen: list[tuple[Any, ...]] = [
        tuple(row) for _ in range(4 * SERVERS) for row in await database.rows("tests.server", SERVER)
    ]
    assert len({row[0] for row in seen}) == SERVERS
    assert {row[1:] for row in seen} == {(0, "1100ms")}


@pooled
async def test_the_settings_of_a_call_are_not_those_of_other_clients(database: Database, url: str) -> None:
    async def work(transaction: Transaction) -> None:
        row = (await transaction.execute(text("SELECT current_setting('statement_timeout')"))).one()
        assert row[0] == "1200ms"

    for _ in range(2 * SERVERS):
        await database.transaction("tests.settings", work)
    async with await psycopg.AsyncConnection.connect(url, prepare_threshold=None, autocommit=True) as other:
        for _ in range(2 * SERVERS):
            cursor = await other.execute("SHOW statement_timeout")
            assert await cursor.fetchone() == ("0",)


@pooled
async def test_a_statement_ends_by_its_own_time_out(store: store_url.StoreUrl) -> None:
    async with Database.open(store, SHORT) as database:
        with pytest.raises(Unavailable) as caught:
            await database.rows("tests.sleep", text("SELECT pg_sleep(20)"))
        assert caught.value.reason == "STORE_BUSY"


@pooled
async def test_the_schema_of_an_address_is_found_behind_it(url: str) -> None:
    """`?schema=` and `?options=`, of which PgBouncer 1.18 takes neither as a session's parameter."""
    own = store_url.parse(f"{url}?schema=its%20own&pgbouncer=true")
    plain = operator_engine(store_url.parse(url))
    with plain.begin() as connection:
        connection.execute(text('CREATE SCHEMA IF NOT EXISTS "its own"'))
    try:
        migrate.upgrade(f"{url}?schema=its%20own&pgbouncer=true")
        async with Database.open(own, replace(SHORT, connections=2)) as database:
            row = await database.row("tests.schema", text("SELECT current_schema(), count(*) FROM users"))
            assert row == ("its own", 0)
    finally:
        with plain.begin() as connection:
            connection.execute(text('DROP SCHEMA "its own" CASCADE'))


@pooled
def test_a_reader_of_an_import_leaves_no_read_only_server(url: str) -> None:
    from ops.identity.importing.source.source import opened

    for _ in range(SERVERS):
        with opened(url) as source:
            assert source.find("users") is not None
    plain = operator_engine(store_url.parse(url))
    for _ in range(2 * SERVERS):
        with plain.connect() as connection:
            assert connection.execute(text("SHOW default_transaction_read_only")).scalar() == "off"


async def test_the_service_runs_behind_it(engine: Engines) -> None:
    url = engine.get("pgbouncer").url
    migrate.upgrade(url)
    with process("identity", DATABASE_URL=url, TRIVET_HASHING_MEMORY_KIB="64") as running:
        async with client(running) as channel:
            made = await AuthServiceStub(channel).SignUp(
                SignUpRequest(name="Ann", email="behind@x.io", password=PASSWORD)
            )
            sessions = SessionServiceStub(channel)
            found = await asyncio.gather(
                *(sessions.VerifySession(VerifySessionRequest(token=made.token)) for _ in range(50))
            )
            assert {each.user.email for each in found} == {"behind@x.io"}


async def test_what_a_pooler_says_is_in_the_log(engine: Engines) -> None:
    """Its own words: here, of a user whom it does not have."""
    stranger = make_url(engine.get("pgbouncer").url).set(username="stranger").render_as_string(hide_password=False)
    with process("identity", wait=False, DATABASE_URL=stranger) as running:
        await until(lambda: "no such user" in running.output() or "authentication failed" in running.output(), 10)
