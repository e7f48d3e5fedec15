"""The scenarios that every provider must stand, with the tests' own."""

import pytest

from tests.oauth.browsing import Visitor
from tests.oauth.provider import Provider
from tests.oauth.scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_holds_with_the_tests_own_provider(
    ann: Visitor, ben: Visitor, acme: Provider, evil: Provider, name: str
) -> None:
    """O1, O2, O3, O4: as the scenario says."""
    SCENARIOS[name](ann, ben, acme, evil)
