"""Each statement that grows with its table is served by an index, on every engine: as the code really sends it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Select, select
from sqlalchemy.schema import CreateIndex, DropIndex

from services.identity import schema
from services.identity.email.one_time_secrets import OneTimeSecrets
from services.identity.outbox.backlog import Backlog
from services.identity.sessions.session import Origin
from services.identity.sessions.session_gate import Method, Proof
from services.identity.store.database import Database, Transaction
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.idempotency import IdempotencyKeys, IdempotentRequest
from services.identity.store.sweeper import Sweeper
from services.identity.users.users import Order, Role, UserFilter
from tests.conformance.identity.conftest import PATIENT, Identity, empty
from tests.conformance.identity.statements import sent_to, work_of
from tests.conformance.identity.store.filling import Filled, analyze, fill
from tests.conformance.identity.store.plans import Access, Plan, plan_of

Call = Callable[[Identity, Filled], Awaitable[object]]


@dataclass(frozen=True)
class Hot:
    """Something that is asked often, and by which index each table may be read; the sort is to be an index's."""

    ask: Call
    by: dict[str, set[str]]
    pages: bool = False


def _looked_up(statement: Callable[[Filled], Select[tuple[str]]]) -> Call:
    """A lookup by key alone."""

    async def ask(identity: Identity, some: Filled) -> None:
        await identity.database.rows("tests.look_up", statement(some))

    return ask


async def _sweep(identity: Identity, _: Filled) -> None:
    """What little has expired by now, of many rows."""
    later = identity.clock() + timedelta(seconds=20)
    await Sweeper(identity.database, schema.metadata, now=lambda: later).sweep()


async def _find_request(identity: Identity, some: Filled) -> None:
    await IdempotencyKeys(identity.database).answer(IdempotentRequest(some.caller, some.request_id, "0" * 64))


async def _void(identity: Identity, some: Filled) -> None:
    verifications = OneTimeSecrets(identity.database, now=identity.clock)
    purpose, _, subject = some.identifier.partition(":")
    await identity.database.transaction("tests.void", lambda within: verifications.void(within, purpose, subject))


def _within(work: Callable[[Identity, Filled, Transaction], Awaitable[object]]) -> Call:
    """Statements of one transaction."""

    async def ask(identity: Identity, some: Filled) -> None:
        await identity.database.transaction("tests.within", lambda within: work(identity, some, within))

    return ask


def _proof_of(some: Filled) -> Proof:
    return Proof(some.user_id, Method.PASSWORD, "x" * 97)


def _page(order: Order, wanted: UserFilter | None = None, *, deep: bool = False) -> Call:
    async def ask(identity: Identity, some: Filled) -> None:
        places: dict[str, datetime | str] = {"created_at": some.created_at, "email": some.email, "name": some.name}
        after = (places[order.value[0]], some.user_id) if deep else None
        await identity.users.list(wanted or UserFilter(), order, 20, after=after)

    return ask


USER, BY_EMAIL, BY_TIME = {"pk_users"}, {"uq_users_email"}, {"ix_users_created_at"}
OF_A_USER = {"ix_accounts_user_id"}
SESSION = {"uq_sessions_token_hash"}
accounts, subscriptions = schema.accounts.c, schema.subscriptions.c

HOT = {
    "a session by its token": Hot(lambda i, some: i.sessions.verify(some.token), {"sessions": SESSION, "users": USER}),
    "a refresh": Hot(
        lambda i, some: i.sessions.refresh(some.token), {"sessions": SESSION | {"pk_sessions"}, "users": USER}
    ),
    "a user and their password by email": Hot(
        lambda i, some: i.credentials.by_email(some.email), {"users": BY_EMAIL, "accounts": OF_A_USER}
    ),
    "a user and their password": Hot(
        lambda i, some: i.credentials.by_user(some.user_id), {"users": USER, "accounts": OF_A_USER}
    ),
    "a user": Hot(lambda i, some: i.users.find(some.user_id), {"users": USER}),
    "the opening of a session by a password": Hot(
        _within(lambda i, some, within: i.sessions.open(within, _proof_of(some), Origin())),
        {"users": USER, "accounts": OF_A_USER},
    ),
    "a locked user by email": Hot(
        _within(lambda i, some, within: i.users.find_locked_by_email(within, some.email)), {"users": BY_EMAIL}
    ),
    "a locked session": Hot(
        _within(lambda i, some, within: i.sessions.find_locked(within, some.user_id, some.session_id)),
        {"sessions": {"pk_sessions", "ix_sessions_user_id"}},
    ),
    "the end of a user's secrets": Hot(
        _within(
            lambda i, some, within: OneTimeSecrets(i.database, now=i.clock).forget(
                within, some.identifier.partition(":")[2]
            )
        ),
        {"verifications": {"uq_verifications_identifier_value"}},
    ),
    "sessions of a user": Hot(lambda i, some: i.sessions.list(some.user_id, 20), {"sessions": {"ix_sessions_user_id"}}),
    "a session of a user": Hot(
        lambda i, some: i.sessions.find(some.user_id, some.session_id),
        {"sessions": {"pk_sessions", "ix_sessions_user_id"}},
    ),
    "the newest users": Hot(_page(Order.NEWEST), {"users": BY_TIME}, pages=True),
    "older users": Hot(_page(Order.NEWEST, deep=True), {"users": BY_TIME}),
    "newer users": Hot(_page(Order.OLDEST, deep=True), {"users": BY_TIME}),
    "users by email": Hot(_page(Order.EMAIL), {"users": BY_EMAIL}, pages=True),
    "users further down by email": Hot(_page(Order.EMAIL, deep=True), {"users": BY_EMAIL}),
    "users by name": Hot(_page(Order.NAME), {"users": {"ix_users_name"}}, pages=True),
    "users further down by name": Hot(_page(Order.NAME, deep=True), {"users": {"ix_users_name"}}),
    "users whose address begins so": Hot(_page(Order.EMAIL, UserFilter(email_prefix="0199")), {"users": BY_EMAIL}),
    "administrators": Hot(
        _page(Order.NEWEST, UserFilter(role=Role.ADMIN)), {"users": {"ix_users_role"} | BY_TIME}, pages=True
    ),
    "how many administrators": Hot(
        lambda i, _: i.users.count(UserFilter(role=Role.ADMIN)), {"users": {"ix_users_role"}}
    ),
    "an earlier answer": Hot(_find_request, {"requests": {"uq_requests_caller_request_id"}}),
    "notes of a topic": Hot(
        lambda i, _: i.outbox._due("cache.invalidate", timedelta()), {"outbox": {"ix_outbox_topic_next_attempt_at"}}
    ),
    "how many notes are parked": Hot(
        lambda i, _: Backlog(i.database).counts(), {"outbox": {"ix_outbox_topic_next_attempt_at"}}
    ),
    "removing a note": Hot(lambda i, _: i.outbox._remove([17]), {"outbox": {"pk_outbox"}}),
    "the end of a session": Hot(
        lambda i, some: i.sessions.sign_out(some.token), {"sessions": SESSION | {"pk_sessions"}}
    ),
    "the end of a user's sessions": Hot(
        lambda i, some: i.sessions.revoke_all(some.user_id), {"sessions": {"ix_sessions_user_id"}}
    ),
    "a sweep": Hot(
        _sweep,
        {
            "sessions": {"ix_sessions_expires_at", "pk_sessions"},
            "verifications": {"ix_verifications_expires_at", "pk_verifications"},
            "requests": {"ix_requests_expires_at", "pk_requests"},
            "stripe_events": {"ix_stripe_events_applied_at", "pk_stripe_events"},
        },
    ),
    "a one-time secret": Hot(
        lambda i, some: OneTimeSecrets(i.database, now=i.clock).find("reset-password", some.secret),
        {"verifications": {"ix_verifications_value"}},
    ),
    "voiding somebody's secrets": Hot(_void, {"verifications": {"uq_verifications_identifier_value"}}),
    "an account at a provider": Hot(
        _looked_up(
            lambda some: select(accounts.id).where(
                accounts.provider == "github",
                accounts.issuer.in_(["https://github.com", ""]),
                accounts.account_id == some.user_id,
            )
        ),
        {"accounts": {"uq_accounts_provider_issuer_account_id"}},
    ),
    "accounts of a user": Hot(
        _looked_up(lambda some: select(accounts.id).where(accounts.user_id == some.user_id)), {"accounts": OF_A_USER}
    ),
    "subscriptions of a user": Hot(
        _looked_up(lambda some: select(subscriptions.id).where(subscriptions.user_id == some.user_id)),
        {"subscriptions": {"ix_subscriptions_user_id"}},
    ),
    "subscriptions of a customer": Hot(
        _looked_up(lambda some: select(subscriptions.id).where(subscriptions.stripe_customer_id == some.customer)),
        {"subscriptions": {"ix_subscriptions_stripe_customer_id"}},
    ),
    "a subscription of Stripe's": Hot(
        _looked_up(
            lambda some: select(subscriptions.id).where(subscriptions.stripe_subscription_id == some.subscription)
        ),
        {"subscriptions": {"uq_subscriptions_stripe_subscription_id"}},
    ),
}


@pytest.fixture
async def tidy(identity: Identity, store: StoreUrl, request: pytest.FixtureRequest) -> AsyncIterator[Identity]:
    """A database that is empty afterwards too, and known to be."""
    if request.node.callspec.params["url"] == "pgbouncer":
        pytest.skip("the plans are PostgreSQL's, with or without a pooler")
    yield identity
    await empty(store)
    await analyze(store)


async def _wrong(identity: Identity, some: Filled, hot: Hot) -> list[str]:
    """Return what is wrong with how the engine goes about the statements of a call."""
    with sent_to(identity.database) as sent:
        await hot.ask(identity, some)
        await identity.database.tasks.drain(2)  # what follows a commit is looked at too
    statements = [each for each in work_of(sent) if not each.text.startswith("INSERT INTO outbox")]
    plans = [await plan_of(identity.database, each) for each in statements]
    wrong = [f"{access}\n{plan.said}" for plan in plans for access in plan.accesses if not _is_served(access, hot)]
    if not any(plan.accesses for plan in plans):
        wrong.append("it reads none of our tables")
    return wrong + [f"sorts\n{plan.said}" for plan in plans if hot.pages and _sorts_much(plan)]


def _is_served(access: Access, hot: Hot) -> bool:
    by = {"outbox": {"pk_outbox"}} | hot.by  # a note that was confirmed is removed
    return access.index in by.get(access.table, ()) and (hot.pages or not access.walks)


def _sorts_much(plan: Plan) -> bool:
    """Whether a page is sorted that comes of an index for something else than the few who have a role."""
    return plan.sorts and {access.index for access in plan.accesses} != {"ix_users_role"}


async def test_every_hot_statement_is_served_by_its_index(tidy: Identity, store: StoreUrl) -> None:
    some = await fill(tidy, store)
    wrong = {name: found for name, hot in HOT.items() if (found := await _wrong(tidy, some, hot))}
    assert not wrong, "\n\n".join(f"{name}: {each}" for name, found in wrong.items() for each in found)


async def test_a_missing_index_is_seen(tidy: Identity, store: StoreUrl) -> None:
    """The control: without its index each of these is served by another or by none, and the suite says so."""
    some = await fill(tidy, store, 500)
    without = {
        "a sweep": "ix_verifications_expires_at",
        "a one-time secret": "ix_verifications_value",
        "how many administrators": "ix_users_role",
        "subscriptions of a customer": "ix_subscriptions_stripe_customer_id",
        "how many notes are parked": "ix_outbox_topic_next_attempt_at",
    }
    indexes = {str(index.name): index for table in schema.metadata.sorted_tables for index in table.indexes}
    async with Database.open(store, PATIENT) as patient, patient.engine.connect() as connection:
        for name, gone in without.items():
            await connection.execute(DropIndex(indexes[gone]))
            try:
                found = await _wrong(tidy, some, HOT[name])
            finally:
                await connection.execute(CreateIndex(indexes[gone]))
            assert found, name
