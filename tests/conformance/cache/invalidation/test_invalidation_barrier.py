"""For whom an invalidation waits whose readers watch another process, at a time that stands still until it is moved."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.cache.invalidation.invalidation_barrier import InvalidationBarrier
from services.cache.invalidation.leases import LEASE_SECONDS, Leases
from services.cache.invalidation.positions import Invalidated, StreamPosition, format_applied
from services.cache.invalidation.stream import Stream
from tests.conformance.cache.conftest import Cache
from tests.harness.waiting import until

LONG = 10.0


class Asking(Stream):
    """A stream that counts how often the other processes are asked about."""

    asked = 0

    async def processes_behind(self, position: StreamPosition, processes: Mapping[str, str]) -> Mapping[str, str]:
        self.asked += 1
        return await super().processes_behind(position, processes)


@dataclass
class Clock:
    time: float = 100.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Scene:
    """This process, another whose reader is behind, and an invalidation made long after both began to be kept."""

    here: Asking
    there: Stream
    confirmations: InvalidationBarrier
    moved: Invalidated
    clock: Clock


async def scene(cache: Cache) -> Scene:
    here, there, clock = Asking(cache.store, "here"), Stream(cache.store, "there"), Clock()
    await there.read_tail(None, format_applied(await cache.miss("a")))
    moved = await cache.entries.invalidate(["x"])
    long_ago = replace(moved, kept_since=moved.position.offset - 10_000_000)
    return Scene(here, there, InvalidationBarrier(here, Leases(), clock), long_ago, clock)


async def test_it_waits_until_the_other_process_tells_that_all_have_applied_it(cache: Cache) -> None:
    on = await scene(cache)
    waiting = asyncio.create_task(on.confirmations.confirmed(on.moved, within=LONG))
    await until(lambda: on.here.asked >= 3)
    assert not waiting.done()
    await on.there.read_tail(None, format_applied(on.moved.position))
    assert await waiting


async def test_without_what_the_others_have_told_it_is_confirmed_too_soon(cache: Cache) -> None:
    """The protection off: the other's reader may be serving and has not applied it."""
    on = await scene(cache)
    assert await on.confirmations.confirmed(replace(on.moved, reports={}), within=LONG)
    assert set(await on.here.processes_behind(on.moved.position, on.moved.reports)) == {"there"}


async def test_a_process_that_tells_nothing_more_is_waited_for_as_long_as_a_lease_and_forgotten(cache: Cache) -> None:
    on = await scene(cache)
    waiting = asyncio.create_task(on.confirmations.confirmed(on.moved, within=LONG))
    await until(lambda: on.here.asked >= 1)
    on.clock.time += LEASE_SECONDS - 0.001
    seen = on.here.asked
    await until(lambda: on.here.asked >= seen + 3)
    assert not waiting.done()
    on.clock.time += 0.002
    assert await waiting

    async def is_forgotten() -> bool:
        return "there" not in (await cache.entries.invalidate(["x"])).reports

    await until(is_forgotten)


async def test_what_is_not_known_of_everybody_is_waited_out(cache: Cache) -> None:
    """After a flush or a fail-over there may be readers that nobody has told of."""
    on = await scene(cache)
    fresh = replace(on.moved, reports={}, kept_since=on.moved.position.offset)
    waiting = asyncio.create_task(on.confirmations.confirmed(fresh, within=LONG))
    on.confirmations.notify()
    await asyncio.sleep(0)
    assert not waiting.done()
    on.clock.time += LEASE_SECONDS + 0.001
    on.confirmations.notify()
    assert await waiting


async def test_a_clock_of_redis_that_stands_still_delays_nothing_once_a_lease_has_passed_here(cache: Cache) -> None:
    on = await scene(cache)
    fresh = replace(on.moved, reports={}, kept_since=on.moved.position.offset)
    assert not await on.confirmations.confirmed(fresh, within=0)
    on.clock.time += LEASE_SECONDS
    assert await on.confirmations.confirmed(fresh, within=0)


async def test_where_time_is_up_it_is_not_confirmed(cache: Cache) -> None:
    on = await scene(cache)
    assert not await on.confirmations.confirmed(on.moved, within=0)
