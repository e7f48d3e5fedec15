"""R16, of near caches: a hit that is on its way while the session is revoked, and comes in after the invalidation."""

import asyncio
from pathlib import Path

from tests.harness.waiting import until
from tests.history.checking.checker import Outcome, told, violations
from tests.history.conftest import OpenHouse
from tests.history.gate import Gate
from tests.history.house import House
from tests.history.recorder import Desk
from tests.history.wire import Wire

TRIES = 10
"""A gateway waits a quarter of a second for a hit: where all else takes longer, there is no race, but another try."""


class Race:
    """Sessions that another gateway has filled, each revoked while the cache service holds a gateway's hit back."""

    def __init__(self, house: House, gate: Gate) -> None:
        self.desk = Desk(house.identity)
        self._gate = gate
        self._wires = [Wire(address) for address in house.addresses]

    async def run(self) -> bool:
        """Run one race; return whether the hit came in time to be believed by the check that had asked for it."""
        filling, racing = self._wires
        session = await self.desk.open("open", self.desk.emails[0])
        self._gate.open()
        await self.desk.check("fill", session, filling)
        self._gate.shut()
        slow = asyncio.create_task(self.desk.check("slow", session, racing))
        await until(self._gate.is_reached)
        await self.desk.revoke("revoke", session)
        self._gate.open()
        outcome = await slow
        for wire in self._wires:
            await self.desk.check("check", session, wire)
        return outcome is Outcome.ACCEPTED

    async def close(self) -> None:
        for wire in self._wires:
            await wire.close()


async def raced(open_house: OpenHouse, folder: Path, failpoints: str = "") -> tuple[Race, int]:
    """Run some races; return them, and how many hits came in time."""
    gate = Gate(folder)
    async with open_house(f"cache.before_answer=pause:{gate.path},{failpoints}") as running:
        race = Race(running, gate)
        await race.desk.sign_up()
        in_time = sum([await race.run() for _ in range(TRIES)])
        await race.close()
    return race, in_time


async def test_a_hit_that_comes_in_after_the_invalidation_is_not_held(open_house: OpenHouse, tmp_path: Path) -> None:
    race, in_time = await raced(open_house, tmp_path)
    found = violations(race.desk.history, age=0)
    assert not found, told(found)
    assert in_time > 0


async def test_without_its_position_it_is(open_house: OpenHouse, tmp_path: Path) -> None:
    race, in_time = await raced(open_house, tmp_path, "nearcache.ignore_epoch")
    assert violations(race.desk.history, age=0), f"{in_time} hits came in time"
