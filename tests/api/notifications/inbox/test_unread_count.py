"""The unread count in the real cache: filled after a miss, and gone when a call that changes it has returned."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from pymongo import AsyncMongoClient

from tests.api.notifications.conftest import Api
from tests.api.notifications.inbox.cached_answers import Kept, Lease
from tests.harness.processes import Process, client, process
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import GetStatsRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Channel
from trivet.client.near.lease import METADATA_KEY
from trivet.notifications.v1 import notification_service_pb2 as pb
from trivet.notifications.v1.user_data_service_pb2 import EraseUserDataRequest


@dataclass(frozen=True)
class Caching:
    """The service, and what the cache holds of its counts."""

    api: Api
    kept: Kept

    async def count(self, user: str, lease: Lease = ()) -> int:
        request = pb.CountUnreadRequest(user_id=user)
        return (await self.api.notifications.CountUnread(request, metadata=lease)).unread_count

    async def fill(self, user: str) -> int:
        """Return what the cache holds after a miss."""
        return counted(await self.kept.fill(user))


def counted(value: bytes) -> int:
    return pb.CountUnreadResponse.FromString(value).unread_count


def caching_by(channel: Channel, reader: CacheServiceStub) -> Caching:
    api = Api(channel)

    async def ask(user: str, lease: Lease) -> None:
        await api.notifications.CountUnread(pb.CountUnreadRequest(user_id=user), metadata=lease)

    return Caching(api, Kept(reader, "unread", ask))


@pytest.fixture
async def at(caching: Process, reader: CacheServiceStub) -> AsyncIterator[Caching]:
    async with client(caching) as channel:
        yield caching_by(channel, reader)


async def test_a_miss_is_filled_for_half_a_minute_also_with_a_count_of_none(at: Caching, user: str) -> None:
    assert await at.fill(user) == 0
    assert 0 < (await at.kept.look(user)).ttl.ToMilliseconds() <= 30_000


CHANGES: dict[str, Callable[[Api, pb.Notification], Awaitable[Any]]] = {
    "create": lambda api, there: api.create(there.user_id),
    "mark read": lambda api, there: api.notifications.MarkRead(pb.MarkReadRequest(notification_id=there.id)),
    "mark many read": lambda api, there: api.notifications.BatchMarkRead(
        pb.BatchMarkReadRequest(user_id=there.user_id, notification_ids=[there.id])
    ),
    "mark all read": lambda api, there: api.notifications.MarkAllRead(pb.MarkAllReadRequest(user_id=there.user_id)),
    "delete": lambda api, there: api.notifications.DeleteNotification(
        pb.DeleteNotificationRequest(notification_id=there.id)
    ),
    "erase": lambda api, there: api.data.EraseUserData(EraseUserDataRequest(user_id=there.user_id)),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_out_of_the_cache_when_its_call_returns(
    at: Caching, ops: Api, user: str, change: str
) -> None:
    """R16: the next look is a miss."""
    there = await at.api.create(user)
    assert await at.fill(user) == 1
    await CHANGES[change](ops if change == "erase" else at.api, there)
    assert not await at.kept.is_cacheable(user)
    assert await at.fill(user) == (2 if change == "create" else 0)


async def test_what_changes_behind_the_services_back_stays_hidden_until_the_entry_is_too_old(
    at: Caching, user: str, documents: AsyncMongoClient[dict[str, Any]]
) -> None:
    """R16 with the protection off: a write that nobody has the cache told of."""
    there = await at.api.create(user)
    assert await at.fill(user) == 1
    rows = documents.get_default_database().notifications
    await rows.update_one({"_id": there.id}, {"$set": {"read": True}})
    assert await at.count(user) == 0
    assert counted((await at.kept.look(user)).value) == 1


async def test_a_reader_that_missed_before_a_change_cannot_put_the_old_count_back(at: Caching, user: str) -> None:
    """R16."""
    lease = await at.kept.lease(user)
    await at.api.create(user)
    refusals = await _refusals(at.kept.cache)
    await at.count(user, lease)

    async def is_refused() -> bool:
        return await _refusals(at.kept.cache) == refusals + 1

    await until(is_refused)
    assert not await at.kept.is_cacheable(user)


async def _refusals(cache: CacheServiceStub) -> int:
    stats = await cache.GetStats(GetStatsRequest())
    return sum(each.refusals for each in stats.namespaces if each.namespace == "unread")


async def test_a_client_that_leaves_after_the_write_leaves_no_old_count(
    cache: Process, mongodb_url: str, reader: CacheServiceStub, user: str, tmp_path: Path
) -> None:
    """R2: a failpoint holds the call between its write and the invalidation while the client cancels it."""
    gate = tmp_path / "gate"
    gate.touch()  # open at first: what is read and filled must be there
    with process(
        "notifications",
        MONGODB_URI=mongodb_url,
        TRIVET_CACHE_ADDRESS=cache.address,
        TRIVET_FAILPOINTS=f"notifications.after_write=pause:{gate}",
    ) as running:
        async with client(running) as channel:
            at = caching_by(channel, reader)
            await at.api.create(user)
            assert await at.fill(user) == 1
            gate.unlink()
            (tmp_path / "gate.reached").unlink()
            call = at.api.notifications.MarkAllRead(pb.MarkAllReadRequest(user_id=user))
            await until((tmp_path / "gate.reached").exists)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await at.kept.is_cacheable(user)
            gate.touch()

            async def is_gone() -> bool:
                return not await at.kept.is_cacheable(user)

            await until(is_gone, 10)


async def test_a_crash_after_the_write_leaves_an_old_count_no_longer_than_its_entry_lives(
    cache: Process, mongodb_url: str, at: Caching, user: str
) -> None:
    """R2: kill -9 between the write and the invalidation, which nobody remembers."""
    assert await at.fill(user) == 0
    with process(
        "notifications",
        MONGODB_URI=mongodb_url,
        TRIVET_CACHE_ADDRESS=cache.address,
        TRIVET_FAILPOINTS="notifications.after_write=crash",
    ) as running:
        async with client(running) as channel:
            with pytest.raises(aio.AioRpcError, match="UNAVAILABLE"):
                await Api(channel).create(user)
    assert await at.count(user) == 1
    lookup = await at.kept.look(user)
    assert counted(lookup.value) == 0
    assert lookup.ttl.ToMilliseconds() <= 30_000


async def test_a_dead_cache_costs_a_change_little_and_a_count_nothing(mongodb_url: str, user: str) -> None:
    """R14: nobody listens where the cache should be."""
    with process("notifications", MONGODB_URI=mongodb_url, TRIVET_CACHE_ADDRESS="127.0.0.1:1") as running:
        async with client(running) as channel:
            api = Api(channel)
            await api.create(user)
            request, lease = pb.CountUnreadRequest(user_id=user), ((METADATA_KEY, "epoch:1"),)
            answer = await api.notifications.CountUnread(request, metadata=lease)
    assert answer.unread_count == 1


async def test_a_cache_that_hung_during_a_change_is_told_of_it_again(cache: Process, at: Caching, user: str) -> None:
    """R16: the change answers meanwhile, and the relay goes on until it is confirmed."""
    await at.api.create(user)
    assert await at.fill(user) == 1
    cache.signal(signal.SIGSTOP)
    try:
        await at.api.create(user)
    finally:
        cache.signal(signal.SIGCONT)

    async def is_gone() -> bool:
        return not await at.kept.is_cacheable(user)

    await until(is_gone, 10)
