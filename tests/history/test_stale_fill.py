"""R16: a reader that holds a session's old row while it is revoked, and fills the cache afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.harness.metrics import metric
from tests.harness.waiting import until
from tests.history.checking.checker import Operation, Outcome, Violation, told, violations
from tests.history.conftest import OpenHouse
from tests.history.gate import Gate
from tests.history.house import House
from tests.history.recorder import Desk
from tests.history.wire import Wire

SESSIONS = 3


async def race(running: House, gate: Gate) -> list[Operation]:
    """Have a reader stand between its SELECT and its fill while the session is revoked; then ask at every gateway."""
    desk, wires = Desk(running.identity), [Wire(address) for address in running.addresses]
    await desk.sign_up()
    for number in range(SESSIONS):
        gate.shut()
        session = await desk.open("open", desk.emails[0])
        slow = asyncio.create_task(desk.check("slow", session, wires[number % len(wires)]))
        await until(gate.is_reached)
        await desk.revoke("revoke", session)
        gate.open()
        assert await slow is Outcome.ACCEPTED, "it was asked before the revocation"
        await until(offered(running, number + 1))
        for wire in 2 * wires:
            await desk.check("check", session, wire)
    for wire in wires:
        await wire.close()
    return desk.history


def offered(running: House, count: int) -> Callable[[], Awaitable[bool]]:
    """Return a question: whether the cache service has stored or refused so many sessions."""
    port = running.services.metrics_ports["cache"]

    async def is_so() -> bool:
        names = ("trivet_cache_fills_total", "trivet_cache_refusals_total")
        return sum([await metric(port, name, namespace="sessions") for name in names]) >= count

    return is_so


async def found_in(open_house: OpenHouse, folder: Path, failpoints: str = "") -> list[Violation]:
    gate = Gate(folder)
    async with open_house(f"sessions.before_fill=pause:{gate.path},{failpoints}") as running:
        return violations(await race(running, gate), age=0)


async def test_a_reader_that_fills_after_a_revocation_puts_nothing_back(open_house: OpenHouse, tmp_path: Path) -> None:
    found = await found_in(open_house, tmp_path)
    assert not found, told(found)


async def test_without_leases_it_does(open_house: OpenHouse, tmp_path: Path) -> None:
    found = await found_in(open_house, tmp_path, "cache.no_leases")
    assert len({violation.operation.session for violation in found}) == SESSIONS
