"""One run: a house under load while something is done to it, and what the checker says of the history."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.history.checking.checker import Kind, Operation, Outcome, Violation, counts, told, violations
from tests.history.house import House
from tests.history.recorder import Desk, Load, seed_of_run

BEFORE = 10
AFTER = 16
"""How many sessions are ended before something is done to the house, and after it."""

MOST_DETAILS = 10
SOON_SECONDS = 3.0
"""How long a session may be believed in a run whose revocation was answered unconfirmed: the stated age holds with the
cache cut from identity all the while, which no run does; here the relay comes by within seconds. A protected run has
twice as long: on a busy machine 3.3 s were seen."""

Fault = Callable[[House, Load], Awaitable[None]]


@dataclass(frozen=True)
class Run:
    """What was recorded, and what of it breaks a rule."""

    history: list[Operation]
    found: list[Violation]

    @property
    def counts(self) -> Counter[tuple[Kind, Outcome]]:
        return counts(self.history)

    def assert_right(self) -> None:
        """Fail with the violations' tables, if there are any, or if nothing was put to the test."""
        assert not self.found, told(self.found)
        asked = self.counts
        assert asked[Kind.CHECK, Outcome.ACCEPTED] > 100, asked
        assert asked[Kind.CHECK, Outcome.REFUSED] > 100, asked


async def run(house: House, fault: Fault, *, gateways: Sequence[str] = (), age: float = 2 * SOON_SECONDS) -> Run:
    """Put a house under load, do something to it, let the load go on, and judge the history.

    The clients ask at `gateways`; without any given, at the house's own.
    """
    seed = seed_of_run()
    desk = Desk(house.identity)
    load = Load(desk, gateways or house.addresses, seed)
    async with load.running():
        await load.ends(BEFORE)
        await fault(house, load)
        await load.ends(AFTER)
    told_of = (f"{kind.value} {outcome.value} {number}" for (kind, outcome), number in counts(desk.history).items())
    details = sorted({each.detail for each in desk.history if each.detail})
    print(f"seed {seed}: {', '.join(told_of)}", *details[:MOST_DETAILS], sep="\n  ")
    return Run(desk.history, violations(desk.history, age=age))
