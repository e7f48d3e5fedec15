"""What is done to a house under load. Each goes on, while it lasts, until some more sessions have been ended."""

import asyncio
import signal
from typing import Any

from redis.asyncio import Redis

from tests.harness.peers.proxy import Proxy
from tests.harness.stores import engines
from tests.harness.waiting import until
from tests.history.house import House, address_of, entered
from tests.history.recorder import Load

MEANWHILE = 8
FROZEN_SECONDS = 2.0
"""Four times as long as a near cache may go on without word from the cache service."""
STOPPED_SECONDS = 1.0


async def nothing(_house: House, load: Load) -> None:
    await load.ends(2 * MEANWHILE)


async def freeze_store_link(house: House, load: Load) -> None:
    """The cache service hears nothing of Redis for a while, as if Redis or the line between them were stopped."""
    house.store_link.freeze()
    await asyncio.sleep(FROZEN_SECONDS)
    await load.ends(MEANWHILE)
    house.store_link.thaw()


async def freeze_cache_link(house: House, load: Load) -> None:
    """One gateway hears nothing of the cache service for a while."""
    house.cache_links[0].freeze()
    await asyncio.sleep(FROZEN_SECONDS)
    await load.ends(MEANWHILE)
    house.cache_links[0].thaw()


async def cut_cache_link(house: House, load: Load) -> None:
    """One gateway is cut from the cache service, its Watch with it, and finds it again."""
    house.cache_links[0].cut()
    await load.ends(MEANWHILE)
    house.cache_links[0].restore()


async def stop_gateway(house: House, load: Load) -> None:
    """One gateway stands still, and goes on as if no time had passed."""
    house.gateways[0].signal(signal.SIGSTOP)
    await asyncio.sleep(STOPPED_SECONDS)
    house.gateways[0].signal(signal.SIGCONT)
    await load.ends(MEANWHILE)


async def kill_cache(house: House, load: Load) -> None:
    """kill -9 of the cache service; it is started anew while sessions are being ended."""
    house.services["cache"].kill()
    await load.ends(MEANWHILE)
    await asyncio.to_thread(house.services["cache"].restore)


async def fail_over(house: House, load: Load) -> None:
    """A replica takes the primary's place that has missed invalidations which the primary had acknowledged."""
    replica = await entered(house.stack, engines.redis())
    replication = await house.stack.enter_async_context(Proxy(address_of(house.redis)))
    primary: Any  # redis-py types its commands for both of its clients at once
    follower: Any
    async with Redis.from_url(house.redis.url) as primary, Redis.from_url(replica.url) as follower:
        await _follow(primary, follower, replication.address)
        replication.freeze()
        await load.ends(MEANWHILE)
        assert await _tail(follower) < await _tail(primary), "nothing was lost"
        await primary.aclose()
        _kill(house.redis)
        await follower.execute_command("REPLICAOF", "NO", "ONE")
    house.redis, house.store_link.target = replica, address_of(replica)
    house.store_link.reset()


async def fail_over_unseen(house: House, load: Load) -> None:
    """One gateway is cut from the cache service while sessions are ended and Redis fails over, and comes back after.

    What it holds in memory is of another epoch by then, and nobody can tell it what it has missed.
    """
    house.cache_links[0].cut()
    await fail_over(house, load)
    await load.ends(MEANWHILE)
    house.cache_links[0].restore()
    await load.ends(2 * MEANWHILE)


async def _follow(primary: Any, follower: Any, address: str) -> None:
    await primary.config_set("repl-diskless-sync-delay", 0)
    await follower.execute_command("REPLICAOF", *address.split(":"))

    async def is_in_step() -> bool:
        return bool((await follower.info("replication"))["master_link_status"] == "up")

    await until(is_in_step, 20)


async def _tail(redis: Any) -> bytes:
    """Return the last event's id in the invalidation stream: its digits are as many for centuries."""
    ((event_id, _),) = await redis.xrevrange("trivet:stream", count=1)
    return bytes(event_id)


def _kill(redis: engines.Engine) -> None:
    assert redis.process is not None
    redis.process.kill()
    redis.process.wait()
