"""The checker sees what a naive near cache does: each of these stands before the gateways and is caught."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.harness.peers.proxy import Proxy
from tests.harness.processes import client
from tests.history import faults
from tests.history.checking.checker import Rule, told
from tests.history.checking.naive import Front, Listening
from tests.history.house import House, address_of, house
from tests.history.recorder import Load
from tests.history.runs import run

BELIEVED = {Rule.BELIEVED_AFTER_CONFIRMED, Rule.BELIEVED_PAST_AGE, Rule.CAME_BACK}
AGE_SECONDS = 1.0
"""Far more than an event takes to a cache that listens, far less than these caches remember."""


@dataclass
class Scene:
    """A house, and the link by which naive caches hear of invalidations."""

    house: House
    link: Proxy
    stack: AsyncExitStack

    async def served(self, *fronts: Front) -> list[str]:
        """Serve the fronts until the scene ends; return their addresses."""
        for front in fronts:
            await self.stack.enter_async_context(front.serving())
        return [front.address for front in fronts]

    async def listening(self) -> list[str]:
        cache = await self.stack.enter_async_context(client(self.house.services["cache"]))
        return await self.served(*(Listening(gateway, self.link.address, cache) for gateway in self.house.addresses))


@pytest.fixture(scope="module")
async def bare(breakable: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose gateways hold nothing in memory: these caches are to take the near cache's place."""
    async with house(tmp_path_factory.mktemp("bare"), TRIVET_NEAR_CACHE_BYTES="0") as running:
        yield running


@pytest.fixture
async def scene(bare: House) -> AsyncIterator[Scene]:
    async with Proxy(address_of(bare.redis)) as link, AsyncExitStack() as stack:
        yield Scene(bare, link, stack)


async def test_a_cache_that_drops_nothing_is_caught(scene: Scene) -> None:
    fronts = await scene.served(*map(Front, scene.house.addresses))
    found = (await run(scene.house, faults.nothing, gateways=fronts, age=AGE_SECONDS)).found
    assert {violation.rule for violation in found} & BELIEVED


async def test_a_cache_that_trusts_a_heartbeat_is_caught_once_its_events_are_held_up(scene: Scene) -> None:
    """The heartbeat goes on, as it would if the cache service sent it whether or not it hears of Redis."""

    async def freeze(_house: House, load: Load) -> None:
        scene.link.freeze()
        await load.ends(2 * faults.MEANWHILE)

    found = (await run(scene.house, freeze, gateways=await scene.listening(), age=AGE_SECONDS)).found
    assert {violation.rule for violation in found} & BELIEVED


async def test_the_same_cache_is_not_blamed_while_its_events_come(scene: Scene) -> None:
    """So what the checker sees above is the frozen link and nothing else."""
    found = (await run(scene.house, faults.nothing, gateways=await scene.listening(), age=AGE_SECONDS)).found
    late = [violation for violation in found if violation.rule is not Rule.BELIEVED_AFTER_CONFIRMED]
    assert not late, told(late)
