"""The original's recorded exchanges, had again with the real gateway, identity and cache."""

from pathlib import Path

import httpx
import pytest

from tests.api.auth.conftest import running_site
from tests.api.auth.recordings import BASE_URL, SECRET, Replay, deviations, recording
from tests.conftest import Engines

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("name", "has_bearer"), [("core", False), ("bearer", True)])
def test_every_recorded_exchange_has_the_recorded_answer(
    engine: Engines, tmp_path: Path, name: str, has_bearer: bool
) -> None:
    """Status, body, content type, location and cookies, less the deviations listed in deviations.toml."""
    valkey = engine.get("valkey").url
    with (
        running_site(tmp_path, valkey, TRIVET_REFUSE_COMMON_PASSWORDS="false") as site,
        site.gateway(TRIVET_SECRET=SECRET, TRIVET_BASE_URL=BASE_URL) as gateway,
        httpx.Client(base_url=f"http://{gateway.address}") as client,
    ):
        client.headers.clear()  # the recorded client named no browser
        replay = Replay(client, has_bearer)
        found = {str(exchange): replay.differences(exchange) for exchange in recording(name)}
    assert {exchange: differences for exchange, differences in found.items() if differences} == {}


def test_every_deviation_has_its_row_and_reason_in_the_documentation() -> None:
    text = (ROOT / "docs/better-auth.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) >= len(deviations()["deviation"])
    for deviation in deviations()["deviation"]:
        assert any(line.startswith(f"| `{deviation['id']}` |") for line in rows), deviation["id"]
    assert all(len(line.strip("|").split("|")) == 3 for line in rows), "id, what and why"
