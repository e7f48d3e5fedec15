"""R14, R17: whatever breaks under load, nobody whose session has ended is let in: the history of each run is judged."""

import pytest

from tests.history import faults
from tests.history.checking.checker import Kind, Outcome
from tests.history.house import House
from tests.history.runs import Fault, run


async def test_with_nothing_broken(running: House) -> None:
    """S4: two gateways, two hundred clients."""
    plain = await run(running, faults.nothing)
    plain.assert_right()
    assert plain.counts[Kind.CHECK, Outcome.FAILED] == 0
    assert plain.counts[Kind.REVOKE, Outcome.CONFIRMED] > 0


@pytest.mark.parametrize(
    "fault",
    [
        faults.fail_over,
        faults.fail_over_unseen,
        faults.freeze_store_link,
        faults.freeze_cache_link,
        faults.cut_cache_link,
        faults.stop_gateway,
        faults.kill_cache,
    ],
    ids=lambda fault: fault.__name__,
)
async def test_while_something_breaks(running: House, fault: Fault) -> None:
    (await run(running, fault)).assert_right()


@pytest.mark.parametrize(
    "fault",
    [faults.nothing, faults.fail_over, faults.freeze_store_link, faults.freeze_cache_link, faults.kill_cache],
    ids=lambda fault: fault.__name__,
)
async def test_with_a_cache_process_for_each_gateway(two_caches: House, fault: Fault) -> None:
    """S4: what ends through one process is waited for at the readers of the other."""
    history = await run(two_caches, fault)
    history.assert_right()
    assert history.counts[Kind.REVOKE, Outcome.CONFIRMED] > 0
