"""Enough rows of everything that a planner has to choose, in a few large statements."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert, text

from runtime.ids import new_id, token_hash
from services.identity import schema
from services.identity.schema import metadata
from services.identity.sessions.session import Origin
from services.identity.store.database import Database
from services.identity.store.engine.store_url import StoreUrl
from tests.conformance.identity.conftest import PATIENT, Identity

PEOPLE = 3_000
SESSIONS_EACH = 2


@dataclass(frozen=True)
class Filled:
    """What one of many people has, so that it can be looked for."""

    user_id: str
    email: str
    name: str
    created_at: datetime
    token: str
    session_id: str
    customer: str
    subscription: str
    caller: str
    request_id: str
    identifier: str
    secret: str


async def fill(identity: Identity, store: StoreUrl, people: int = PEOPLE) -> Filled:
    """Insert some thousands of rows into every table, tell the engine's planner of them, and return one person's."""
    now, ids = identity.clock(), [new_id() for _ in range(people)]
    opened = [identity.sessions.prepare(user_id, Origin()) for user_id in ids for _ in range(SESSIONS_EACH)]
    tables: list[tuple[Table, list[dict[str, Any]]]] = [
        (schema.users, [_user(number, user_id, now) for number, user_id in enumerate(ids)]),
        (schema.sessions, [each.row for each in opened]),
        (schema.accounts, [row for user_id in ids for row in _accounts(user_id)]),
        (schema.verifications, [_verification(number, now) for number in range(people)]),
        (schema.subscriptions, [_subscription(number, user_id) for number, user_id in enumerate(ids)]),
        (schema.requests, [_request(number, now) for number in range(people)]),
        (schema.outbox, [_note(number) for number in range(people)]),
        (schema.stripe_events, [_event(number, now) for number in range(people)]),
    ]
    async with Database.open(store, PATIENT) as database, database.engine.connect() as connection:
        await connection.exec_driver_sql("BEGIN")
        for table, rows in tables:
            times = {"created_at": now, "updated_at": now}
            await connection.execute(insert(table), [times | row for row in rows])
        await connection.exec_driver_sql("COMMIT")
    await analyze(store)
    one = people // 2
    theirs = opened[one * SESSIONS_EACH]
    return Filled(
        ids[one],
        _email(one),
        f"Name {one:05}",
        now - timedelta(seconds=one),
        theirs.token,
        theirs.session.id,
        f"cus_{one}",
        f"sub_{one}",
        "gateway",
        f"r{one}",
        f"reset-password:{one}",
        str(one),
    )


async def analyze(store: StoreUrl) -> None:
    """Have the planner know how many rows there are, as a server does by itself in time."""
    tables = [f"ANALYZE TABLE {table.name}" for table in metadata.sorted_tables]
    async with Database.open(store, PATIENT) as database, database.engine.connect() as connection:
        for statement in tables if store.kind == "mysql" else ["ANALYZE"]:
            await connection.execute(text(statement))


def _email(number: int) -> str:
    return f"{number:05}@x.io"


def _user(number: int, user_id: str, now: datetime) -> dict[str, Any]:
    role = "admin" if number % 500 == 0 else "user"
    common = {"name": f"Name {number:05}", "email_verified": False, "role": role, "banned": number % 400 == 0}
    return common | {"id": user_id, "email": _email(number), "created_at": now - timedelta(seconds=number)}


def _accounts(user_id: str) -> Iterator[dict[str, Any]]:
    for provider, issuer in (("credential", ""), ("github", "https://github.com")):
        password = "x" * 97 if provider == "credential" else None
        own = {"user_id": user_id, "account_id": user_id, "password": password}
        yield own | {"id": new_id(), "provider": provider, "issuer": issuer}


def _verification(number: int, now: datetime) -> dict[str, Any]:
    value, ends = token_hash(str(number)), now + timedelta(seconds=number)
    return {"id": new_id(), "identifier": f"reset-password:{number}", "value": value, "expires_at": ends}


def _subscription(number: int, user_id: str) -> dict[str, Any]:
    theirs = {"stripe_customer_id": f"cus_{number}", "stripe_subscription_id": f"sub_{number}", "user_id": user_id}
    return theirs | {"id": new_id(), "plan": "pro", "status": "active", "cancel_at_period_end": False}


def _request(number: int, now: datetime) -> dict[str, Any]:
    asked = {"caller": "gateway", "request_id": f"r{number}", "body_hash": "0" * 64, "answer": "x"}
    return asked | {"id": new_id(), "expires_at": now + timedelta(seconds=number)}


def _note(number: int) -> dict[str, Any]:
    topic = "cache.invalidate" if number % 100 == 0 else "audit.record"
    return {"topic": topic, "key": str(number), "payload": "{}", "attempts": 0}


def _event(number: int, now: datetime) -> dict[str, Any]:
    return {"id": f"evt_{number}", "created": number, "applied_at": now - timedelta(days=20, seconds=number)}
