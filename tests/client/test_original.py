"""The original itself, run beside us: the recording that `make test` compares with still holds."""

import pytest

from tests.api.auth.recordings import recording
from tests.conftest import Engines
from tests.differential.compare import differences
from tests.differential.record import recorded
from tests.differential.registry import VARIANTS


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_original_answers_as_it_was_recorded(node: str, engine: Engines, variant: str) -> None:
    kept = recording()
    had = recorded(variant, engine.get("mariadb").url)
    found = [line for name, exchanges in had.items() for line in differences(name, kept[name], exchanges)]
    assert "\n".join(map(str, found)) == ""
