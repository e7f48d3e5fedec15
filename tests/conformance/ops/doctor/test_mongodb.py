"""What `trivet doctor` finds in SecantusDB, or in a real MongoDB by URL."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from ops.doctor import clocks, disk, end_of_life, mongodb
from ops.doctor.finding import Finding, Severity
from runtime.clock import utc_now
from services.notifications.domains import COLLECTIONS
from services.notifications.store.schema import migrate
from tests.conftest import Engines
from tests.harness.ports import free_port


@pytest.fixture
async def uri(engine: Engines) -> AsyncIterator[str]:
    """The URI of a database with all collections and indexes, which is dropped afterwards."""
    server, name = engine.get("secantusdb").url, f"doctor_{secrets.token_hex(4)}"
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(server)
    await migrate.upgrade(client[name])
    yield f"{server}/{name}"
    await client.drop_database(name)
    await client.close()


async def _found(uri: str) -> list[Finding]:
    """Return the findings, without those about this machine's engine and its disk."""
    found = await mongodb.examine(uri, utc_now)
    return [each for each in found if each.check not in (end_of_life.CHECK, disk.CHECK)]


async def test_a_prepared_store_has_no_findings(uri: str) -> None:
    assert await _found(uri) == []


async def test_a_missing_index_is_named(uri: str) -> None:
    dropped = COLLECTIONS[0].indexes[0].document["name"]
    server, _, name = uri.rpartition("/")
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(server)
    await client[name][COLLECTIONS[0].name].drop_index(dropped)
    await client.close()
    (finding,) = await _found(uri)
    assert (finding.check, finding.severity) == ("indexes", Severity.ERROR)
    assert dropped in finding.problem


async def test_a_missing_migration_is_an_error_with_the_command(uri: str) -> None:
    server, _, name = uri.rpartition("/")
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(server)
    await migrate.downgrade(client[name])
    await client.close()
    (finding,) = [each for each in await _found(uri) if each.check == "migrations"]
    assert (finding.severity, finding.remedy) == (Severity.ERROR, "run `trivet db migrate`")


async def test_a_clock_that_differs_is_found(uri: str) -> None:
    found = await mongodb.examine(uri, lambda: utc_now() + timedelta(hours=1))
    assert [each.severity for each in found if each.check == clocks.CHECK] == [Severity.ERROR]


async def test_a_dead_port_is_one_finding_without_the_password() -> None:
    (finding,) = await mongodb.examine(f"mongodb://trivet:keep-this@127.0.0.1:{free_port()}/trivet", utc_now)
    assert (finding.check, finding.severity) == (mongodb.CHECK, Severity.ERROR)
    assert "keep-this" not in finding.problem + finding.remedy


async def test_an_engine_that_speaks_the_protocol_has_its_own_name(engine: Engines) -> None:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(engine.get("secantusdb").url)
    build = await client.admin.command("buildInfo")
    await client.close()
    assert mongodb.engine_and_version(build)[0] == "SecantusDB"
    assert mongodb.engine_and_version({"version": "8.0.4", "gitVersion": "abc"}) == ("MongoDB", "8.0.4")
