"""What a declared RPC answers is offered to the cache under the lease of the miss, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from grpc import aio

from runtime.background.tasks import Tasks
from runtime.errors import Absent, NotFound, Unavailable
from runtime.rpc.caching import fills as module
from runtime.rpc.caching.cached_rpcs import declared
from runtime.rpc.caching.fills import CacheFills
from runtime.rpc.interceptor_chain import Context
from runtime.rpc.policy import People, Rule
from runtime.rpc.server import Server
from tests.harness.rpc import KEY, TESTS, Answer, Served, answers, nobody, served, settings
from tests.harness.waiting import until
from trivet.cache.v1 import cache_pb2
from trivet.cache.v1.cache_pb2 import Position, SetRequest, SetResponse
from trivet.cache.v1.cache_pb2_grpc import (
    CacheServiceStub,
    add_CacheServiceServicer_to_server,
)
from trivet.client import Signer, connect
from trivet.client.near.lease import METADATA_KEY
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import DESCRIPTOR, GetUserRequest, UpdateUserRequest

CACHE = cache_pb2.DESCRIPTOR.services_by_name["CacheService"]
LEASE = ((METADATA_KEY, "e:7"),)
GET_USER = DESCRIPTOR.services_by_name["UserService"].methods_by_name["GetUser"]


@dataclass
class Cache:
    """A cache that keeps nothing, and remembers what it was offered; `begin` is what it waits for."""

    offered: list[SetRequest] = field(default_factory=list)
    begin: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, rpc: str) -> Any:
        return None  # nothing else is called here

    async def Set(self, request: SetRequest, context: Context) -> SetResponse:
        self.offered.append(request)
        await self.begin.wait()
        return SetResponse(stored=True)


@dataclass
class Filled:
    """A UserService whose answers are filled, and the cache that they are offered to."""

    service: Served
    cache: Cache
    tasks: Tasks

    async def get(self, user_id: str = "u1", lease: tuple[tuple[str, str], ...] = LEASE) -> User:
        return await self.service.stub.GetUser(GetUserRequest(user_id=user_id), metadata=lease)

    async def offered(self) -> SetRequest:
        await until(lambda: bool(self.cache.offered))
        return self.cache.offered[-1]


@asynccontextmanager
async def filling(answer: Answer = nobody, *, limit: int = 1_000) -> AsyncIterator[Filled]:
    cache = Cache()
    cache.begin.set()
    policy = {f"{CACHE.full_name}/{rpc.name}": Rule(People.NONE, services=TESTS) for rpc in CACHE.methods}
    server = Server("cache", settings(), 0, policy=policy, ping=answers)
    server.add(CACHE.full_name, add_CacheServiceServicer_to_server, cast(Any, cache))
    tasks = Tasks("fills", limit=limit)
    channel = connect(f"127.0.0.1:{server.port}", "cache", Signer("tests", {"cache": KEY}))
    async with server.serving(), channel:
        fills = CacheFills(CacheServiceStub(channel), tasks)
        async with served(answer, fills=fills) as service:
            yield Filled(service, cache, tasks)


def answering(outcome: User | Exception) -> Answer:
    async def answer(request: GetUserRequest, context: Context) -> User:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return answer


async def test_the_answer_is_offered_as_it_is_and_as_declared() -> None:
    async with filling(answering(User(id="u1", name="Ann"))) as at:
        answer = await at.get()
        offered = await at.offered()
    entry = offered.entry
    assert (offered.namespace, entry.key, list(entry.tags)) == ("profiles", "u1", ["user:u1"])
    assert entry.lease == Position(epoch="e", offset=7)
    assert entry.ttl.ToTimedelta() == timedelta(seconds=300)
    assert User.FromString(entry.value) == answer
    assert not entry.absent


async def test_without_a_miss_and_without_a_declaration_nothing_is_offered() -> None:
    async with filling() as at:
        await at.get(lease=())
        await at.service.stub.UpdateUser(UpdateUserRequest(user=User(id="u1", name="x")), metadata=LEASE)
        assert at.cache.offered == []


NO_SUCH_USER = Absent("USER_NOT_FOUND", "there is no such user")


@pytest.fixture
def absence_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """GetUser as if it declared that absence is kept."""
    rpc = declared(GET_USER)
    assert rpc is not None
    monkeypatch.setattr(module, "declared", keeping(replace(rpc, absent_ttl=timedelta(seconds=5))))


def keeping(rpc: object) -> Callable[[object], object]:
    return lambda descriptor: rpc if descriptor is GET_USER else None


async def test_that_there_is_nothing_is_offered_where_that_is_declared(absence_kept: None) -> None:
    async with filling(answering(NO_SUCH_USER)) as at:
        with pytest.raises(aio.AioRpcError, match="no such user"):
            await at.get()
        entry = (await at.offered()).entry
    assert (entry.absent, entry.value, entry.key, list(entry.tags)) == (True, b"", "u1", ["user:u1"])
    assert entry.ttl.ToTimedelta() == timedelta(seconds=5)
    assert entry.lease == Position(epoch="e", offset=7)


async def test_what_is_only_hidden_is_not_offered_as_nothing(absence_kept: None) -> None:
    """A session of somebody who is banned for a while, for example, is there again afterwards."""
    async with filling(answering(NotFound("USER_NOT_FOUND", "not for you"))) as at:
        with pytest.raises(aio.AioRpcError, match="not for you"):
            await at.get()
        assert at.cache.offered == []


async def test_that_there_is_nothing_is_not_offered_where_it_is_not_declared() -> None:
    async with filling(answering(NO_SUCH_USER)) as at:
        with pytest.raises(aio.AioRpcError, match="no such user"):
            await at.get()
        assert at.cache.offered == []


async def test_a_store_that_is_away_is_no_absence(absence_kept: None) -> None:
    """R14."""
    async with filling(answering(Unavailable("STORE_UNAVAILABLE", "away"))) as at:
        with pytest.raises(aio.AioRpcError, match="away"):
            await at.get()
        assert at.cache.offered == []


async def test_what_the_cache_takes_for_no_key_is_not_offered() -> None:
    async with filling() as at:
        for user_id in ("a b", "ü", "x" * 513):
            await at.get(user_id)
        assert at.cache.offered == []


async def test_a_slow_cache_does_not_hold_an_answer_back_and_is_told_all_the_same() -> None:
    """R14: the call is answered while the cache still has not."""
    async with filling() as at:
        at.cache.begin.clear()
        assert (await at.get()).id == "u1"
        assert len(at.tasks) == 1
        at.cache.begin.set()
        await until(lambda: len(at.tasks) == 0)


async def test_a_call_that_finds_too_many_fills_under_way_is_answered() -> None:
    async with filling(limit=1) as at:
        at.cache.begin.clear()
        await at.get("u1")
        assert (await at.get("u2")).id == "u2"
        at.cache.begin.set()
        assert [each.entry.key for each in at.cache.offered] == ["u1"]
