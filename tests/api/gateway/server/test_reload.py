"""SIGHUP: settings of TRIVET_SETTINGS_FILE that can change at run time do, and the others are named."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.api.gateway.conftest import Gateway, running
from tests.api.gateway.stand_ins import StandIns
from tests.harness.waiting import until

PAGE = "https://new.example.org.uk"


async def trusts(gateway: Gateway) -> bool:
    """Whether every worker lets the page read answers; each question is a connection of its own."""
    found = set()
    for _ in range(8):
        async with httpx.AsyncClient(base_url=f"http://{gateway.process.address}") as http:
            answer = await http.get("/api/auth/get-session", headers={"origin": PAGE})
        found.add(answer.headers.get("access-control-allow-origin") == PAGE)
    return found == {True}


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_origins_and_the_log_level_are_reloaded_and_the_rest_is_named(
    stand_ins: StandIns, tmp_path: Path, workers: str
) -> None:
    stand_ins.reset()
    file = tmp_path / "settings"
    file.write_text("# of this gateway\nTRIVET_LOG_LEVEL=INFO\n")
    given = {"TRIVET_SETTINGS_FILE": str(file), "TRIVET_GATEWAY_WORKERS": workers, "TRIVET_METRICS_PORT": "0"}
    given |= {"TRIVET_TRUSTED_ORIGINS": "", "TRIVET_RATE_LIMIT": ""}
    async with running(stand_ins, **given) as gateway:
        await until(lambda: gateway.process.output().count("gateway listens on") == int(workers), 30)
        assert not await trusts(gateway)
        file.write_text(
            f"TRIVET_TRUSTED_ORIGINS={PAGE}\nTRIVET_RATE_LIMIT=off\nTRIVET_LOG_LEVEL=WARNING\nTRIVET_TRUST_LOOPBACK=on\n"
        )
        gateway.process.signal(signal.SIGHUP)
        await until(lambda: trusts(gateway), 20)
        # Not TRIVET_TRUST_LOOPBACK: what the process was given itself is not overridden.
        named = "changed settings that need a restart: TRIVET_RATE_LIMIT"
        await until(lambda: gateway.process.output().count(named) == int(workers), 10)
        assert "settings reloaded: " not in gateway.process.output(), "the level is WARNING by then"
        file.write_text("TRIVET_TRUSTED_ORIGINS=app.example.com\n")
        gateway.process.signal(signal.SIGHUP)
        await until(lambda: "settings not reloaded: TRIVET_TRUSTED_ORIGINS" in gateway.process.output(), 10)
        file.unlink()
        gateway.process.signal(signal.SIGHUP)
        await until(lambda: "No such file" in gateway.process.output(), 10)
        assert await trusts(gateway)
