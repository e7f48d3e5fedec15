"""The processes of a run: identity, one cache service or two, and two gateways, with links between them to break."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.harness.clients import LIMITED
from tests.harness.peers.proxy import Proxy
from tests.harness.people import FAST_HASHING
from tests.harness.ports import free_port
from tests.harness.processes import Process, client, process
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine
from tests.harness.whole import Stores, Whole, whole
from trivet.client import Channel

T = TypeVar("T")

NO_SERVER = "127.0.0.1:1"
GATEWAYS = 2


@dataclass
class House:
    """What runs, and what a run may break: the cache service's link to Redis, and each gateway's to the cache service.

    `services["cache"]` is the first gateway's, and identity's; `caches` are further ones. What is entered into `stack`
    stays until the house is left.
    """

    services: Whole
    gateways: list[Process]
    caches: list[Process]
    redis: Engine
    store_link: Proxy
    cache_links: list[Proxy]
    identity: Channel
    stack: AsyncExitStack

    @property
    def addresses(self) -> list[str]:
        return [gateway.address for gateway in self.gateways]

    async def heal(self) -> None:
        """Mend what a fault that was broken off has left."""
        for link in (self.store_link, *self.cache_links):
            link.restore()
            link.thaw()
        for running in (self.services["cache"], *self.caches, *self.gateways):
            await asyncio.to_thread(running.restore)


@asynccontextmanager
async def house(
    folder: Path, failpoints: str = "", *, has_two_caches: bool = False, **extra: str
) -> AsyncIterator[House]:
    """Run a house on SQLite and a Redis of its own; `failpoints` are armed in every process, `extra` is set in each.

    With two caches each gateway has one.
    """
    async with AsyncExitStack() as stack:
        redis = await entered(stack, engines.redis())
        store_link = await stack.enter_async_context(Proxy(address_of(redis)))
        stores = Stores(f"sqlite:///{folder}/trivet.db", f"mongodb://{NO_SERVER}", f"redis://{store_link.address}/0")
        settings: dict[str, Any] = {**FAST_HASHING, "TRIVET_FAILPOINTS": failpoints, **extra}
        services = await entered(stack, whole(stores, "cache", "identity", **settings))
        caches = [services["cache"]]
        if has_two_caches:
            caches.append(await entered(stack, _another(services["cache"])))
        served = [caches[number % len(caches)].address for number in range(GATEWAYS)]
        links = [await stack.enter_async_context(Proxy(address)) for address in served]
        given = settings | {"TRIVET_IDENTITY_ADDRESS": services["identity"].address}
        gateways = await asyncio.gather(*(entered(stack, _gateway(link, given)) for link in links))
        identity = await stack.enter_async_context(client(services["identity"]))
        yield House(services, gateways, caches[1:], redis, store_link, links, identity, stack)


def _another(cache: Process) -> AbstractContextManager[Process]:
    port = free_port()
    told: dict[str, Any] = {
        **cache.environment,
        "TRIVET_CACHE_PORT": str(port),
        "TRIVET_METRICS_PORT": str(free_port()),
    }
    return process("cache", port=port, **told)


def _gateway(cache: Proxy, given: dict[str, Any]) -> AbstractContextManager[Process]:
    addresses = {"TRIVET_CACHE_ADDRESS": cache.address, "TRIVET_NOTIFICATIONS_ADDRESS": NO_SERVER}
    told: dict[str, Any] = {**given, **addresses, **LIMITED, "TRIVET_METRICS_PORT": str(free_port())}
    return process("gateway", **told)


def address_of(redis: Engine) -> str:
    return urlsplit(redis.url).netloc


async def entered(stack: AsyncExitStack, context: AbstractContextManager[T]) -> T:
    """Enter a context that blocks, while the links of this process go on passing; so it is left, too."""
    value = await asyncio.to_thread(context.__enter__)

    async def leave(*raised: object) -> None:
        await asyncio.to_thread(context.__exit__, *raised)  # type: ignore[arg-type]  # as ExitStack gives them

    stack.push_async_exit(leave)
    return value
