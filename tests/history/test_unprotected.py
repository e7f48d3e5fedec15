"""What each protection of the near cache is for: done without, somebody whose session has ended is let in."""

import pytest

from tests.history import faults
from tests.history.checking.checker import Rule
from tests.history.conftest import OpenHouse
from tests.history.runs import SOON_SECONDS, Fault, run

LET_IN = {Rule.BELIEVED_AFTER_CONFIRMED, Rule.BELIEVED_PAST_AGE, Rule.CAME_BACK}
LEASE_AND_A_LITTLE_SECONDS = 1.0


@pytest.mark.parametrize(
    ("unsafe", "fault", "age"),
    [
        pytest.param("ignore_watch", faults.nothing, SOON_SECONDS, id="invalidations are not applied"),
        pytest.param(
            "serve_always", faults.freeze_cache_link, LEASE_AND_A_LITTLE_SECONDS, id="no tick has to come back"
        ),
        pytest.param(
            "serve_always",
            faults.freeze_store_link,
            LEASE_AND_A_LITTLE_SECONDS,
            id="no tick has to come back from Redis",
        ),
        pytest.param("ignore_epoch", faults.fail_over_unseen, SOON_SECONDS, id="another epoch is no reason to drop"),
    ],
)
async def test_without_a_protection_the_checker_finds_who_is_let_in(
    open_house: OpenHouse, unsafe: str, fault: Fault, age: float
) -> None:
    async with open_house(f"nearcache.{unsafe}") as running:
        found = (await run(running, fault, age=age)).found
    assert {violation.rule for violation in found} & LET_IN
