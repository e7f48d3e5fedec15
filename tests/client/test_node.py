"""The unmodified client in Node, against our four processes."""

import pytest

from tests.client.conftest import HERE, run

SCENARIOS = sorted(path.stem for path in (HERE / "scenarios").glob("*.mjs") if path.stem != "common")


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_unmodified_client_has_what_it_expects(node: str, gateway: str, page: str, name: str) -> None:
    run(node, f"scenarios/{name}.mjs", gateway, page)
