"""The notifications domain on each engine, in a database of the test's own, under a clock that it moves."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from bson import encode
from pymongo import AsyncMongoClient

from runtime.clock import utc_now
from runtime.ids import new_id
from services.notifications.audit.events import Audit
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.delivery.email.mailbox import Mailbox
from services.notifications.delivery.email.sealed_mail import SealedMail
from services.notifications.delivery.queue import Queue
from services.notifications.domains import PERSONAL_DATA
from services.notifications.inbox.draft import Draft
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.pages import Selection
from services.notifications.inbox.preferences import Preferences
from services.notifications.logs.entries import Logs
from services.notifications.logs.levels import Level
from services.notifications.logs.query import LogReader
from services.notifications.privacy.user_data import UserData, UserRecord
from services.notifications.store.mongo import Document, Store, open_store
from services.notifications.store.tombstones import Tombstones
from tests.conftest import Engines
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine
from tests.harness.waiting import until

ENGINES = ["secantusdb", *(["mongodb"] if os.environ.get("TRIVET_TEST_MONGODB_URL") else [])]
TTL = timedelta(days=30)
AUDIT_TTL = timedelta(days=365)
LEASE = timedelta(seconds=60)
SEALED_MAIL = SealedMail([b"a key of thirty-two bytes, or so"])
LOG_TTLS: dict[Level, timedelta] = {
    "debug": timedelta(days=3),
    "info": timedelta(days=14),
    "warning": timedelta(days=30),
    "error": timedelta(days=90),
}


class Stored(dict[str, Any]):
    """A document as the store has it, where a service would make a message."""

    def ByteSize(self) -> int:  # protobuf's name
        return len(encode(self))


as_stored = Stored


@dataclass
class Shown:
    """A record of an export as it is, where a service would make a message."""

    record: UserRecord

    def ByteSize(self) -> int:  # protobuf's name
        return len(encode(self.record.data))


@dataclass
class MovedClock:
    """The present, as the test says."""

    now: datetime = field(default_factory=utc_now)

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@dataclass
class House:
    """Everything over one store."""

    store: Store
    clock: MovedClock
    notifications: Notifications
    mailbox: Mailbox
    logs: Logs
    reader: LogReader
    audit: Audit
    queue: Queue
    sending: Notifications
    tombstones: Tombstones
    preferences: Preferences
    user_data: UserData

    async def tell(self, user_id: str, *titles: str) -> list[Document]:
        """Create one in-app notification per title, a second apart."""
        told = []
        for title in titles:
            told.append(await self.notifications.create(Draft(user_id, title), "tests"))
            self.clock.move(timedelta(seconds=1))
        return told

    async def titles(self, user_id: str, size: int = 20) -> list[str]:
        page = await self.notifications.page(Selection(user_id), encode=as_stored, size=size)
        return [row["title"] for row in page.notifications]


async def export(at: House, user_id: str, size: int = 100) -> list[UserRecord]:
    """Return all records that are held of a user, page by page."""
    shown, token = await at.user_data.page(user_id, size=size, encode=Shown)
    while token:
        more, token = await at.user_data.page(user_id, size=size, encode=Shown, page_token=token)
        shown += more
    return [each.record for each in shown]


def house(store: Store) -> House:
    """Return what keeps mail, as development does; and `sending`, which has it sent."""
    clock = MovedClock()
    tombstones = Tombstones(store, ttl=AUDIT_TTL, clock=clock)
    preferences = Preferences(store, tombstones, clock=clock)

    def notifications(policy: MailPolicy) -> Notifications:
        return Notifications(store, policy, Deliveries(store), tombstones, preferences, ttl=TTL, clock=clock)

    return House(
        store,
        clock,
        notifications(MailPolicy(SEALED_MAIL, keeps_mail=True)),
        Mailbox(store, SEALED_MAIL, on=True),
        Logs(store, tombstones, LOG_TTLS, clock=clock),
        LogReader(store, max(LOG_TTLS.values()), clock=clock),
        Audit(store, tombstones, ttl=AUDIT_TTL, clock=clock),
        Queue(store, lease=LEASE, clock=clock),
        notifications(MailPolicy(SEALED_MAIL, sends_mail=True)),
        tombstones,
        preferences,
        UserData(store, tombstones, PERSONAL_DATA, clock=clock),
    )


@pytest.fixture(params=ENGINES)
def server(request: pytest.FixtureRequest, engine: Engines) -> Engine:
    return engine.get(request.param)


@pytest.fixture(scope="module")
def own_server(engine: Engines) -> Iterator[Engine]:
    """A SecantusDB of a file's own, to break."""
    engine.get("secantusdb")  # names it in the report, and skips where it is missing
    with engines.secantusdb() as own:
        yield own


@asynccontextmanager
async def failing(server: Engine, command: str, **fault: object) -> AsyncIterator[None]:
    """Have the server fail the service's commands of one name, and nobody else's."""
    data = {"failCommands": [command], "appName": "trivet-notifications", **fault}
    async with AsyncMongoClient[Document](server.url) as client:
        await client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=data)
        try:
            yield
        finally:
            await client.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.fixture
async def database_url(server: Engine) -> AsyncIterator[str]:
    """A database that nobody else has."""
    name = f"trivet_test_{new_id()}"
    yield urlsplit(server.url)._replace(path=f"/{name}").geturl()
    await drop(server, name)


async def drop(server: Engine, name: str) -> None:
    """Remove a database from a server that outlives the run; one that we started takes its folder along."""
    if server.process is None:
        async with AsyncMongoClient[Document](server.url) as client:
            await client.drop_database(name)


@pytest.fixture
async def at(database_url: str) -> AsyncIterator[House]:
    async with open_store(database_url, timeout=10.0) as store:
        await until(lambda: store.is_prepared, 10)
        yield house(store)
