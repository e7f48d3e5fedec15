"""The identity service as a process of its own on SQLite, with a real cache service beside it."""

from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.identity.store.schema import migrate
from tests.conftest import Engines
from tests.harness.processes import Process, client, process
from trivet.cache.v1.cache_pb2 import GetRequest, GetStatsRequest, Lookup
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Channel, reason_of
from trivet.client.near.lease import METADATA_KEY, format_lease
from trivet.identity.v1.auth_service_pb2 import SignUpRequest, SignUpResponse
from trivet.identity.v1.auth_service_pb2_grpc import AuthServiceStub
from trivet.identity.v1.session_service_pb2_grpc import SessionServiceStub
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub

PASSWORD = "correct horse battery"
FAST: dict[str, Any] = {"TRIVET_HASHING_MEMORY_KIB": "64", "TRIVET_HASHING_PASSES": "1"}
_numbers = count()


@dataclass(frozen=True)
class Api:
    """The stubs of a running identity service."""

    channel: Channel
    auth: AuthServiceStub
    sessions: SessionServiceStub
    users: UserServiceStub

    async def sign_up(self, email: str = "", **fields: Any) -> SignUpResponse:
        """Sign somebody up, by default with an address that nobody has."""
        request = SignUpRequest(name="Ann", email=email or f"user{next(_numbers)}@x.io", password=PASSWORD, **fields)
        answer: SignUpResponse = await self.auth.SignUp(request)
        return answer


def stubs(channel: Channel) -> Api:
    return Api(channel, AuthServiceStub(channel), SessionServiceStub(channel), UserServiceStub(channel))


async def failure(call: Awaitable[Any]) -> tuple[str, str]:
    """Return the code's name and the reason that a call fails with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name, reason_of(caught.value)


@contextmanager
def identity_on(database: Path, **extra: str) -> Iterator[Process]:
    """Migrate an SQLite file and run the service on it."""
    url = f"sqlite:///{database}"
    migrate.upgrade(url)
    with process("identity", DATABASE_URL=url, **(FAST | extra)) as running:
        yield running


@pytest.fixture(scope="package")
def cache(engine: Engines) -> Iterator[Process]:
    with process("cache", REDIS_URL=engine.get("valkey").url) as running:
        yield running


@pytest.fixture(scope="package")
def identity(cache: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    database = tmp_path_factory.mktemp("identity") / "trivet.db"
    with identity_on(database, TRIVET_CACHE_ADDRESS=cache.address) as running:
        yield running


@pytest.fixture
async def api(identity: Process) -> AsyncIterator[Api]:
    async with client(identity) as channel:
        yield stubs(channel)


@dataclass(frozen=True)
class Reader:
    """Reads the cache as the gateway does."""

    stub: CacheServiceStub

    async def look(self, namespace: str, key: str) -> Lookup:
        return (await self.stub.Get(GetRequest(namespace=namespace, key=key))).lookup

    async def lease(self, namespace: str, key: str) -> tuple[tuple[str, str], ...]:
        """Miss, and return the metadata that hands the miss's position on."""
        lookup = await self.look(namespace, key)
        assert not lookup.found
        return ((METADATA_KEY, format_lease(lookup.position)),)

    async def refusals(self, namespace: str) -> int:
        """Return how many fills of a namespace were refused."""
        stats = await self.stub.GetStats(GetStatsRequest())
        return sum(each.refusals for each in stats.namespaces if each.namespace == namespace)


@pytest.fixture
async def reader(cache: Process) -> AsyncIterator[Reader]:
    async with client(cache, caller="gateway") as channel:
        yield Reader(CacheServiceStub(channel))
