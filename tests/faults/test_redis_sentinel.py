"""A Redis that is failed over by Sentinel while the cache service and its near caches use it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from grpc import aio
from redis import Redis

from services.cache.redis.sentinels import NoPrimaryError, Sentinels
from tests.conftest import Engines
from tests.harness.peers.watching import watching
from tests.harness.ports import free_port
from tests.harness.processes import client, process
from tests.harness.stores.sentinels import SERVICE, Watched, port_of, watched, with_password
from tests.harness.waiting import until
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Channel

FOLLOW_SECONDS = 15.0


@pytest.fixture
def servers(engine: Engines) -> Iterator[Watched]:
    assert engine.get("redis")
    with watched() as servers:
        yield servers


@pytest.fixture
async def channel(servers: Watched) -> AsyncIterator[Channel]:
    with process("cache", REDIS_URL=servers.url) as running:
        async with client(running) as channel:
            yield channel


async def fill(channel: Channel, key: str) -> bool:
    entry = pb.Entry(key=key, value=b"v", tags=["x"])
    try:
        answer = await CacheServiceStub(channel).Set(pb.SetRequest(namespace="things", entry=entry), timeout=1)
    except aio.AioRpcError:
        return False
    return answer.stored


async def find(channel: Channel, key: str) -> pb.Lookup:
    return (await CacheServiceStub(channel).Get(pb.GetRequest(namespace="things", key=key), timeout=1)).lookup


async def test_a_fail_over_is_followed_and_nothing_from_before_it_is_believed(
    servers: Watched, channel: Channel
) -> None:
    """R17: an invalidation that the new primary has never heard of may have been acknowledged by the old one."""
    assert await fill(channel, "old")
    before = (await find(channel, "old")).position
    old = servers.primary()
    async with watching(channel) as reader:
        process = servers.servers[old].process
        assert process is not None
        process.kill()
        process.wait()
        await until(lambda: not reader.is_serving)

        async def follows() -> bool:
            lookup = await find(channel, "old")
            assert not lookup.found
            return lookup.HasField("position")

        assert await until(follows, FOLLOW_SECONDS) < FOLLOW_SECONDS
        assert servers.primary() != old
        lookup = await find(channel, "old")
        assert lookup.position.epoch != before.epoch
        await reader.ticked()
        assert [reset.epoch for reset in reader.resets] == [before.epoch, lookup.position.epoch]
    assert await fill(channel, "new")
    assert (await find(channel, "new")).found


async def test_sentinels_that_are_gone_cost_nothing_while_the_primary_is_there(
    servers: Watched, channel: Channel
) -> None:
    for sentinel in servers.sentinels:
        assert sentinel.process is not None
        sentinel.process.kill()
        sentinel.process.wait()
    for number in range(20):
        assert await fill(channel, f"k{number}")
    async with watching(channel) as reader:
        await reader.ticked()


async def test_most_sentinels_are_believed_against_one_that_was_cut_off(servers: Watched) -> None:
    """It may go on naming a server that is no longer the primary, and be the first to answer."""
    lone = servers.sentinels[0]
    with Redis(port=port_of(lone)) as sentinel:
        sentinel.execute_command("SENTINEL", "REMOVE", SERVICE)
        sentinel.execute_command("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", free_port(), 2)
    sentinels = Sentinels.of(servers.url)
    assert sentinels is not None
    assert servers.primary() not in servers.servers
    address = await sentinels.primary()
    assert address[1] in servers.servers


async def test_sentinels_that_want_a_password_of_their_own_are_given_it(engine: Engines) -> None:
    """Without it they name nobody, and nothing is read."""
    assert engine.get("redis")
    with with_password("a password") as (port, sentinel):
        url = f"redis+sentinel://{sentinel}/{SERVICE}"
        told, silent = Sentinels.of(f"{url}?sentinel_password=a%20password"), Sentinels.of(url)
        assert told is not None
        assert silent is not None
        assert await told.primary() == ("127.0.0.1", port)
        with pytest.raises(NoPrimaryError):
            await silent.primary()
