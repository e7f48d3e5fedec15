"""The original's recorded exchanges, had again with our four processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.auth.recordings import idle, listed, recording, unlisted
from tests.conftest import Engines
from tests.differential.compare import Difference, differences
from tests.differential.registry import SCENARIOS, of_variant
from tests.differential.servers import ours, shared
from tests.harness.whole import Whole

ROOT = Path(__file__).parents[3]
RECORDED = recording()


class Replays:
    """Has the scenarios of a variant when the first of them is asked for."""

    def __init__(self, behind: Whole, redis: str, folder: Path) -> None:
        self._behind, self._redis, self._folder = behind, redis, folder
        self._found: dict[str, list[Difference]] = {}

    def of(self, name: str) -> list[Difference]:
        """Return in what a scenario's exchanges are not the recorded ones."""
        if name not in self._found:
            variant = SCENARIOS[name].variant
            with ours(variant, self._folder, self._behind, self._redis) as server:
                for scenario in of_variant(variant):
                    had = scenario.had_with(server)
                    self._found[scenario.name] = differences(scenario.name, RECORDED[scenario.name], had)
        return self._found[name]


@pytest.fixture(scope="module")
def replays(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replays]:
    redis, folder = engine.get("valkey").url, tmp_path_factory.mktemp("replays")
    with shared(folder, engine.get("secantusdb").url, redis) as behind:
        yield Replays(behind, redis, folder)


def test_the_recording_has_every_scenario_and_at_least_150_exchanges() -> None:
    assert RECORDED.keys() == SCENARIOS.keys(), "python -m tests.differential.record"
    assert not [name for name, exchanges in RECORDED.items() if "why" in exchanges[-1]]
    assert sum(len(RECORDED[name]) for name in SCENARIOS) >= 150


@pytest.mark.timeout(300)  # the first of a variant has all of its exchanges
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_recorded_exchange_has_the_recorded_answer(replays: Replays, name: str) -> None:
    """Status, body, headers, cookies and mail, less the deviations listed in deviations.toml."""
    assert "\n".join(map(str, unlisted(replays.of(name)))) == ""


def test_everything_listed_occurs(replays: Replays) -> None:
    assert idle(difference for name in SCENARIOS for difference in replays.of(name)) == []


def test_every_deviation_has_its_row_and_reason_in_the_documentation() -> None:
    _, _, deviations = (ROOT / "docs/better-auth.md").read_text().partition("## Where we differ")
    rows = [line for line in deviations.splitlines() if line.startswith("| `")]
    assert len(rows) >= len(listed()["deviation"])
    for deviation in listed()["deviation"]:
        assert any(line.startswith(f"| `{deviation['id']}` |") for line in rows), deviation["id"]
    assert all(len(line.strip("|").split("|")) == 3 for line in rows), "id, what and why"
