"""What `trivet doctor` finds in Redis and Valkey."""

from datetime import timedelta

import pytest

from ops.doctor import clocks, end_of_life, redis
from ops.doctor.finding import Severity
from runtime.clock import utc_now
from services.cache.redis.connections import Connections
from services.cache.redis.wire import close
from tests.conftest import Engines
from tests.harness.ports import free_port


@pytest.mark.parametrize("name", ["redis", "valkey"])
async def test_a_sound_server_has_no_findings(engine: Engines, name: str) -> None:
    found = await redis.examine(engine.get(name).url, utc_now)
    assert [each for each in found if each.check != end_of_life.CHECK] == []


@pytest.mark.parametrize("name", ["redis", "valkey"])
async def test_a_clock_that_differs_is_found(engine: Engines, name: str) -> None:
    found = await redis.examine(engine.get(name).url, lambda: utc_now() + timedelta(seconds=10))
    (finding,) = [each for each in found if each.check == clocks.CHECK]
    assert (finding.severity, finding.problem) == (Severity.WARNING, "the clock of Redis is 10 s behind this machine's")


@pytest.mark.parametrize("name", ["redis", "valkey"])
async def test_each_engine_has_its_own_name_and_version(engine: Engines, name: str) -> None:
    connection, _ = await Connections(engine.get(name).url, limit=1).open()
    try:
        fields = await redis.info(connection)
    finally:
        await close(connection)
    assert redis.engine_and_version(fields) == (name.title(), fields[f"{name}_version"])


async def test_a_dead_port_is_one_finding_without_the_password() -> None:
    (finding,) = await redis.examine(f"redis://:keep-this@127.0.0.1:{free_port()}/0", utc_now)
    assert (finding.check, finding.severity) == (redis.CHECK, Severity.ERROR)
    assert "REDIS_URL" in finding.remedy
    assert "keep-this" not in finding.problem + finding.remedy
