"""The identity service's parts on each engine: a clean database, a clock that tests move, a cache that listens."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.sealing import Sealer
from services.identity.email.policy import EmailRules
from services.identity.outbox.outbox import Outbox
from services.identity.passwords.authentication import Authentication
from services.identity.passwords.credentials import Credentials
from services.identity.passwords.hashing import Hasher, HashingConfig
from services.identity.passwords.sign_up import NewUser, SignUp
from services.identity.schema import metadata
from services.identity.sessions.session import Lifetimes, Origin
from services.identity.sessions.sessions import Sessions
from services.identity.site import Site
from services.identity.store.database import Database, Transaction
from services.identity.store.engine import store_url
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.schema import migrate
from services.identity.stores import Stores
from services.identity.users.administration import Administration
from services.identity.users.deletion import UserDeletion
from services.identity.users.users import User, Users
from services.identity.wiring import build_use_cases
from tests.conformance.identity import mysql
from tests.conftest import Engines
from tests.harness.stores.mysql_like import sql_engines

OPERATOR = "service:ops"
PASSWORD = "correct horse battery"
BASE_URL = "https://app.example.com"
SECRET = "a-secret-for-tests-0123456789abcdef"
SEALER = Sealer([bytes(32)])
CHEAP = HashingConfig(memory_kib=64, passes=1, workers=2, queue=200)


@dataclass
class Clock:
    """A time that stands still until it is moved."""

    time: datetime = datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass
class Listener:
    """A cache: keeps what it was told, or fails as it is told to."""

    told: list[tuple[str, ...]] = field(default_factory=list)
    error: Exception | None = None
    confirms: bool = True

    async def __call__(self, tags: Sequence[str]) -> bool:
        if self.error is not None:
            raise self.error
        self.told.append(tuple(tags))
        return self.confirms


@dataclass(frozen=True)
class Identity:
    """The parts of the service on one database."""

    database: Database
    stores: Stores
    users: Users
    sessions: Sessions
    credentials: Credentials
    authentication: Authentication
    sign_ups: SignUp
    deletion: UserDeletion
    administration: Administration
    outbox: Outbox
    cache: Listener
    clock: Clock

    async def sign_up(self, email: str = "ann@x.io", **origin: Any) -> tuple[User, str]:
        """Sign a user up; return the user and the token of the first session."""
        done = await self.sign_ups.sign_up(NewUser("Ann", email, PASSWORD), Origin(**origin))
        assert done.opened is not None
        return done.user, done.opened.token


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity")


@pytest.fixture(params=(*sql_engines(), "pgbouncer"))
def url(request: pytest.FixtureRequest, engine: Engines, folder: Path) -> str:
    """The address of each engine in turn, at the newest schema."""
    address = f"sqlite:///{folder}/trivet.db" if request.param == "sqlite" else engine.get(request.param).url
    migrate.upgrade(address)
    return address


@pytest.fixture
def store(url: str) -> StoreUrl:
    return store_url.parse(url)


# TiDB's SLEEP ends without an error, and its recursion after a thousand rows.
ENDLESS_ON_TIDB = (
    "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
    "SELECT count(*) AS sleep FROM n a, n b, n c WHERE a.i + b.i > c.i)"
)


@pytest.fixture
async def database(store: StoreUrl, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """An empty database. A statement that MySQL would not take fails the test that makes it."""
    limits = TIDB_LIMITS if request.node.callspec.params["url"] == "tidb" else StoreLimits()
    async with Database.open(store, limits) as database:
        mysql.watch(database.engine.sync_engine)
        await empty(store)
        yield database


# TiDB answers more slowly than one machine: an operator sets TRIVET_STORE_WAIT_MS and those beside it.
TIDB_LIMITS = StoreLimits(connect_seconds=5.0, pool_seconds=5.0, statement_seconds=4.0, attempt_seconds=5.0)
# Limits for what no service does: a test fills and empties whole tables.
PATIENT = StoreLimits(
    connections=1, pool_seconds=20.0, statement_seconds=60.0, attempt_seconds=90.0, turn_seconds=90.0, lock_seconds=20.0
)


async def empty(store: StoreUrl) -> None:
    """Delete every row of every table."""

    async def work(transaction: Transaction) -> None:
        for table in reversed(metadata.sorted_tables):
            await transaction.execute(table.delete())

    async with Database.open(store, PATIENT) as database:
        await database.transaction("tests.empty", work)


@pytest.fixture(scope="session")
def hasher() -> Iterator[Hasher]:
    with Hasher(CHEAP) as hasher:
        yield hasher


def build(database: Database, hasher: Hasher, *, refuse_common: bool = True) -> Identity:
    clock, cache = Clock(), Listener()
    outbox = Outbox(database, cache, now=clock)
    stores = Stores.on(database, outbox, Lifetimes(), now=clock)
    site = Site(
        base_url=BASE_URL,
        secrets=(SECRET,),
        rules=EmailRules(),
        lifetimes=Lifetimes(),
        refuse_common=refuse_common,
    )
    cases = build_use_cases(stores, site, hasher=hasher, sealer=SEALER)
    return Identity(
        database,
        stores,
        stores.users,
        stores.sessions,
        stores.credentials,
        cases.authentication,
        cases.sign_up,
        cases.deletion,
        cases.administration,
        outbox,
        cache,
        clock,
    )


@pytest.fixture
async def identity(database: Database, hasher: Hasher) -> Identity:
    return build(database, hasher)


SHORT = StoreLimits(connections=4, pool_seconds=0.3, statement_seconds=0.5, attempt_seconds=0.8)


@pytest.fixture
async def enduring(store: StoreUrl, hasher: Hasher) -> AsyncIterator[Identity]:
    """The parts on a database whose transactions a test can hold: its limits are far away."""
    async with Database.open(store, replace(PATIENT, connections=10)) as database:
        await empty(store)
        yield build(database, hasher)
