"""The scenarios that every provider must stand, with npm's certified oidc-provider."""

import pytest

from tests.client.oauth.conftest import Certified
from tests.oauth.browsing import Visitor
from tests.oauth.scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_holds_with_a_certified_provider(visitors: list[Visitor], openids: list[Certified], name: str) -> None:
    """O1, O2, O3, O4: as the scenario says."""
    (ann, ben), (acme, evil) = visitors, openids
    SCENARIOS[name](ann, ben, acme, evil)
