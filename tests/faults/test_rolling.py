"""Every process restarted in turn under load, as an upgrade does it: no request fails."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ops.stack.environment import keys
from tests.harness.people import FAST_HASHING
from tests.harness.processes import PROGRAMS, SECRET
from tests.harness.replicas import NAMES, Replicas, people, replicas
from tests.harness.stores import engines
from tests.harness.waiting import until
from tests.harness.whole import Stores

PEOPLE = 8
NEW_SECRET = "the-next-secret-0123456789-abcdefghijklmnopqrst"
ROUNDS = int(os.environ.get("TRIVET_TEST_ROLLS", "1"))
"""How many times every process is restarted: 20 takes a quarter of an hour."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 120 * ROUNDS)]


@pytest.fixture
def running() -> Iterator[Replicas]:
    with ExitStack() as stack:
        own = [stack.enter_context(start()) for start in (engines.mariadb, engines.secantusdb, engines.valkey)]
        yield stack.enter_context(replicas(Stores(*(store.url for store in own)), **FAST_HASHING))


async def test_rolling_restarts_of_every_process_cost_no_request(running: Replicas) -> None:
    """R10: identity, notifications, cache and the gateway, two replicas of each."""
    async with people(running, PEOPLE) as load:
        for _ in range(ROUNDS):
            for name in NAMES:
                for replica in running.processes[name]:
                    await running.restart(replica)
                    if name == "gateway":
                        await until(lambda: all(map(load.balancer.has, running.gateways)), 30)
                    await load.more(PEOPLE)
                    assert not load.failed, (name, load.failed, replica.output()[-1_000:])


async def test_a_new_secret_costs_no_request_and_no_session(running: Replicas) -> None:
    """O5: the steps of `trivet keys rotate`. First every process accepts the new secret, then it signs with it."""
    async with people(running, PEOPLE) as load:
        for secret, other in ((SECRET, NEW_SECRET), (NEW_SECRET, SECRET)):
            for name in NAMES:
                for replica in running.processes[name]:
                    replica.environment = {**replica.environment, **keys(name, secret, PROGRAMS, [other])}
                    await running.restart(replica)
                    if name == "gateway":
                        await until(lambda: all(map(load.balancer.has, running.gateways)), 30)
                    await load.more(PEOPLE)
                    assert not load.failed, (name, load.failed, replica.output()[-1_000:])
