"""Stores to back up and to restore into: databases of a test's own on each engine, and people in them."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.database import Database as MongoDatabase
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from ops.backup.addresses import StoreAddresses
from ops.backup.creation import create
from ops.backup.destinations.folder import FolderDestination
from ops.backup.manifest import Manifest
from ops.backup.restoration import Restoration, Restored
from ops.backup.sql.database import engine_of
from runtime.ids import new_id
from runtime.sealing import Sealer
from services.identity.email.policy import EmailRules
from services.identity.outbox.outbox import Outbox
from services.identity.passwords.hashing import Hasher, HashingConfig
from services.identity.passwords.sign_up import NewUser
from services.identity.schema import metadata
from services.identity.sessions.session import Lifetimes, Origin
from services.identity.site import Site
from services.identity.store.database import Database
from services.identity.store.engine import store_url
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.schema import migrate
from services.identity.stores import Stores
from services.identity.wiring import build_use_cases
from services.notifications.domains import COLLECTIONS
from tests.conftest import Engines
from tests.harness.people import PASSWORD
from tests.harness.stack import environment
from tests.harness.stores.mysql_like import sql_engines

ODD = "O'Brien \\ \"q\" \n),('x'),(\t🦊 \u2028 NULL"
"""A name that is hard to quote."""
CHEAP = HashingConfig(memory_kib=64, passes=1, workers=2, queue=200)
PATIENT = StoreLimits(connections=4, statement_seconds=60, attempt_seconds=90, turn_seconds=90, lock_seconds=20)
MakeStores = Callable[[], StoreAddresses]


@dataclass
class Backups:
    """A folder of backups, and the stores of a test."""

    destination: FolderDestination
    root: Path
    source: StoreAddresses
    fresh: MakeStores

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the command on these stores."""
        return self.environment_of(self.source)

    def environment_of(self, stores: StoreAddresses) -> dict[str, str]:
        addresses = {"DATABASE_URL": stores.sql, "MONGODB_URI": stores.mongodb, "TRIVET_BACKUP_TO": str(self.root)}
        return environment(self.root.parent / "data", **addresses)

    def create(self, **options: Any) -> Manifest:
        return create(self.destination, self.source, **options)

    def restore(self, manifest: Manifest, target: StoreAddresses, **options: Any) -> Restored:
        identities = options.pop("identities", None)
        return Restoration(self.destination, manifest, target, identities, **options).run()


@pytest.fixture(params=sql_engines())
def sql_engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fresh(sql_engine: str, engine: Engines, tmp_path: Path) -> Iterator[MakeStores]:
    """Makes empty stores: each call a database of its own on the engine, and one in SecantusDB."""
    made: list[StoreAddresses] = []
    mongodb = engine.get("secantusdb").url

    def make() -> StoreAddresses:
        name = f"backup_{new_id().lower().replace('-', '')}"
        if sql_engine == "sqlite":
            sql = f"sqlite:///{tmp_path}/{name}.db"
        else:
            sql = _on_server(engine.get(sql_engine).url, f"CREATE DATABASE {name}", name)
        made.append(StoreAddresses(sql, f"{mongodb}/{name}"))
        return made[-1]

    yield make
    for each in made:
        name = each.mongodb.rpartition("/")[2]
        with pymongo.MongoClient[Any](mongodb) as client:
            client.drop_database(name)
        if sql_engine != "sqlite":
            _on_server(engine.get(sql_engine).url, f"DROP DATABASE {name}", name)


@pytest.fixture
def backups(fresh: MakeStores, tmp_path: Path) -> Backups:
    """Stores with people in them."""
    source = fresh()
    migrate.upgrade(source.sql)
    fill(source)
    root = tmp_path / "backups"
    return Backups(FolderDestination(root), root, source, fresh)


def _on_server(url: str, statement: str, name: str) -> str:
    operator, arguments = store_url.parse(url).for_operator()
    engine = create_engine(operator, connect_args=arguments, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def fill(stores: StoreAddresses, users: int = 8) -> None:
    """Write users with accounts and sessions, outbox rows, and documents of each collection about them."""
    now = datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)
    times = {"created_at": now, "updated_at": now}
    ids = [f"user-{place:04}" for place in range(users)]
    with engine_of(stores.store) as engine, engine.begin() as connection:
        row = {"name": ODD, "email_verified": True, "role": "user", "banned": False, "additional": '{"a": "\\\\"}'}
        people = [{"id": each, "email": f"{each}@example.com", **row, **times} for each in ids]
        connection.execute(metadata.tables["users"].insert(), people)
        accounts = [
            {"id": f"a-{each}", "user_id": each, "account_id": each, "provider": "github", "scope": ODD} for each in ids
        ]
        connection.execute(metadata.tables["accounts"].insert(), [each | times for each in accounts])
        sessions = [
            {"id": f"s-{each}", "user_id": each, "token_hash": f"{place:064x}", "expires_at": now + timedelta(days=7)}
            for place, each in enumerate(ids)
        ]
        of_all = {"remembered": False, "ip_address": "::1", "user_agent": ODD, **times}
        connection.execute(metadata.tables["sessions"].insert(), [each | of_all for each in sessions])
        note = {"topic": "audit.record", "payload": '{"a": "b"}', "attempts": 0, "next_attempt_at": now, **times}
        connection.execute(metadata.tables["outbox"].insert(), [{"key": each, **note} for each in ids])
    with documents(stores) as database:
        for place, each in enumerate(ids):
            write_documents(database, each, place)


class documents:  # noqa: N801  # reads as a function at its uses
    """The MongoDB of some stores, open."""

    def __init__(self, stores: StoreAddresses) -> None:
        self._client = pymongo.MongoClient[Any](stores.mongodb, tz_aware=True)
        self._name = stores.mongodb.rpartition("/")[2]

    def __enter__(self) -> "MongoDatabase[Any]":
        return self._client[self._name]

    def __exit__(self, *exc: object) -> None:
        self._client.close()


def write_documents(database: "MongoDatabase[Any]", user_id: str, place: int = 0) -> None:
    """Write a document of each collection about a user, but no tombstone."""
    time = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=place)
    far = datetime(2126, 1, 1, tzinfo=UTC)
    about = {"userId": user_id, "createdAt": time, "expiresAt": far}
    database["notifications"].insert_one({"_id": f"n-{user_id}", **about, "title": ODD, "read": False})
    database["preferences"].insert_one({"_id": f"p-{user_id}", "userId": user_id, "createdAt": time})
    delivery = {"notificationId": f"n-{user_id}", "channel": "email", "target": "a", "status": "sent"}
    database["deliveries"].insert_one({"_id": f"d-{user_id}", **about, **delivery})
    database["logs"].insert_one({"_id": f"l-{user_id}", **about, "timestamp": time, "level": "info"})
    audit = {"time": time, "kind": "signed_up", "personal": {"email": f"{user_id}@example.com"}}
    database["audit"].insert_one({"_id": f"e-{user_id}", **about, **audit})


def rows_of(stores: StoreAddresses) -> dict[str, list[Any]]:
    """Return all rows of all tables, read without the code under test."""
    found = {}
    with engine_of(stores.store) as engine, engine.connect() as connection:
        for table in metadata.sorted_tables:
            order = list(table.primary_key.columns)
            found[table.name] = [tuple(row) for row in connection.execute(table.select().order_by(*order))]
    return found


def documents_of(stores: StoreAddresses) -> dict[str, list[Any]]:
    """Return all documents of all collections."""
    with documents(stores) as database:
        return {each.name: list(database[each.name].find(sort=[("_id", 1)])) for each in COLLECTIONS}


def cases_on(database: Database, hasher: Hasher) -> Any:
    """Return identity's use cases and stores on a database."""

    async def leave(_: object) -> bool:
        return False

    stores = Stores.on(database, Outbox(database, leave), Lifetimes())
    site = Site(base_url="https://x.test", secrets=("s" * 40,), rules=EmailRules(), lifetimes=Lifetimes())
    return stores, build_use_cases(stores, site, hasher=hasher, sealer=Sealer([bytes(32)]))


def sign_up(stores: StoreAddresses, email: str) -> str:
    """Sign a user up; return the token of the session."""

    async def work() -> str:
        async with Database.open(stores.store, PATIENT) as database, asyncio.timeout(60):
            with Hasher(CHEAP) as hasher:
                _, cases = cases_on(database, hasher)
                done = await cases.sign_up.sign_up(NewUser("Ada", email, PASSWORD), Origin())
                return str(done.opened.token)

    return asyncio.run(work())


def email_of_session(stores: StoreAddresses, token: str) -> str:
    """Return whose session a token opens."""

    async def work() -> str:
        async with Database.open(stores.store, PATIENT) as database, asyncio.timeout(60):
            with Hasher(CHEAP) as hasher:
                found, _ = cases_on(database, hasher)
                verified = await found.sessions.verify(token)
                return str(verified.user.email)

    return asyncio.run(work())
