"""How many statements a call costs, and which index serves them, on every engine."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event, insert, text

from runtime.ids import new_id, token_hash
from services.identity import schema
from services.identity.database import Database, Transaction
from services.identity.sessions import BY_TOKEN, Origin
from tests.conformance.identity.conftest import PASSWORD, Identity

CONTROL = ("BEGIN", "COMMIT", "ROLLBACK")


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that are sent while inside."""
    sent: list[str] = []

    def record(conn: object, cursor: object, statement: str, *rest: object) -> None:
        sent.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", record)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", record)


def work_of(sent: list[str]) -> list[str]:
    return [statement for statement in sent if not statement.startswith(CONTROL)]


async def test_a_session_check_is_one_statement_in_no_transaction(identity: Identity) -> None:
    _, token = await identity.sign_up()
    with counted(identity.database) as sent:
        await identity.sessions.verify(token)
    assert len(sent) == 1
    assert sent[0].startswith("SELECT")


async def test_a_sign_in_is_two_statements(identity: Identity) -> None:
    await identity.sign_up()
    with counted(identity.database) as sent:
        await identity.authentication.sign_in("ann@x.io", PASSWORD, Origin())
    assert [statement.split()[0] for statement in work_of(sent)] == ["SELECT", "INSERT"]


async def test_a_sign_up_looks_once_and_writes_in_one_transaction(identity: Identity) -> None:
    with counted(identity.database) as sent:
        await identity.sign_up()
    assert [statement.split()[0] for statement in sent] == ["SELECT", "BEGIN", "INSERT", "INSERT", "INSERT", "COMMIT"]


async def test_a_refresh_that_has_nothing_to_do_writes_nothing(identity: Identity) -> None:
    _, token = await identity.sign_up()
    with counted(identity.database) as sent:
        await identity.sessions.refresh(token)
    assert [statement.split()[0] for statement in work_of(sent)] == ["SELECT"]


async def _fill(identity: Identity) -> None:
    """Insert enough users and sessions that a planner has to choose."""
    now = identity.clock()
    ids = [new_id() for _ in range(200)]
    common = {"created_at": now, "updated_at": now}
    people = [
        {
            "id": user_id,
            "email": f"{user_id}@x.io",
            "name": "",
            "email_verified": False,
            "role": "user",
            "banned": False,
        }
        for user_id in ids
    ]
    opened = [identity.sessions.begin(user_id, Origin()).row for user_id in ids]

    async def work(transaction: Transaction) -> None:
        await transaction.execute(insert(schema.users).values([row | common for row in people]))
        await transaction.execute(insert(schema.sessions).values(opened))

    await identity.database.transaction("tests.fill", work)


async def _plan(identity: Identity, statement: str) -> str:
    words = "EXPLAIN QUERY PLAN " if identity.database.kind == "sqlite" else "EXPLAIN "
    rows = await identity.database.rows("tests.explain", text(words + statement))
    return "\n".join(str(tuple(row)) for row in rows)


async def test_a_session_is_found_by_the_index_of_its_hash(identity: Identity) -> None:
    await _fill(identity)
    _, token = await identity.sign_up()
    statement = BY_TOKEN.params(token_hash=token_hash(token)).compile(
        identity.database.engine.sync_engine, compile_kwargs={"literal_binds": True}
    )
    plan = await _plan(identity, str(statement))
    # SQLite names an index of its own after the table; MySQL and PostgreSQL name the constraint.
    assert "uq_sessions_token_hash" in plan or "sqlite_autoindex_sessions" in plan, plan


async def test_a_prefix_of_an_address_is_found_by_the_index_of_addresses(identity: Identity) -> None:
    """I2: where LIKE would read the whole table."""
    await _fill(identity)
    plan = await _plan(identity, "SELECT id FROM users WHERE email >= 'abc' AND email < 'abd'")
    assert "uq_users_email" in plan or "sqlite_autoindex_users" in plan, plan
