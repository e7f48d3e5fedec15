"""Starting in any order, and what wrong settings are told."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy.engine import make_url

from runtime.ids import new_id
from services.identity.store.schema import migrate
from tests.api.identity.conftest import FAST, failure, stubs
from tests.conftest import Engines
from tests.harness.processes import ROOT, client, environment, process, wait_until_up
from tests.harness.waiting import until
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest


async def test_it_waits_for_the_schema_and_says_once_what_to_run(tmp_path: Path) -> None:
    """R36, R37: alive and not ready, then ready by itself."""
    url = f"sqlite:///{tmp_path}/trivet.db"
    with process("identity", wait=False, DATABASE_URL=url, **FAST) as running:
        await until(lambda: "trivet db migrate" in running.output(), 20)
        async with client(running) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)  # the published types lack the methods
            status = (await health.Check(health_pb2.HealthCheckRequest())).status
            assert status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert await failure(stubs(channel).sign_up()) == ("UNAVAILABLE", "SCHEMA_OUTDATED")
            migrate.upgrade(url)
            wait_until_up(running)
            await stubs(channel).sign_up()
        assert running.output().count("trivet db migrate") == 1
        assert running.popen.poll() is None


async def test_a_rollback_under_the_running_service_is_unavailable_until_the_migration_is_back(tmp_path: Path) -> None:
    """Every RPC: no statement is sent to a schema that it does not fit; health and the log say so, and it heals."""
    url = f"sqlite:///{tmp_path}/trivet.db"
    migrate.upgrade(url)
    with process("identity", DATABASE_URL=url, **FAST) as running:
        async with client(running) as channel:
            token = (await stubs(channel).sign_up()).token
            migrate.downgrade(url, 3)
            outdated = ("UNAVAILABLE", "SCHEMA_OUTDATED")
            assert await failure(stubs(channel).sign_up()) == outdated
            assert await failure(stubs(channel).sessions.VerifySession(VerifySessionRequest(token=token))) == outdated
            health: Any = health_pb2_grpc.HealthStub(channel)  # the published types lack the methods
            status = (await health.Check(health_pb2.HealthCheckRequest(service="store"))).status
            assert status == health_pb2.HealthCheckResponse.NOT_SERVING
            migrate.upgrade(url)
            await stubs(channel).sign_up()
            wait_until_up(running)
        assert "schema is 0003 and must be" in running.output()
        assert "Traceback" not in running.output()
        assert running.output().count("trivet db migrate") == 1


REFUSED = "the database of DATABASE_URL cannot be used: the server rejects the user or the password"


@pytest.mark.parametrize("name", ["mariadb", "postgresql"])
async def test_a_wrong_password_is_told_once_in_one_clear_line(engine: Engines, name: str) -> None:
    """R37, K1: by the name of the setting, without the password."""
    url = make_url(engine.get(name).url).set(password="hidden-and-wrong").render_as_string(hide_password=False)
    with process("identity", wait=False, DATABASE_URL=url, **FAST) as running:
        await until(lambda: REFUSED in running.output(), 30)
        async with client(running) as channel:
            assert await failure(stubs(channel).sign_up()) == ("UNAVAILABLE", "STORE_UNAVAILABLE")
        assert running.output().count(REFUSED) == 1
        assert "hidden" not in running.output()


async def test_the_separate_mysql_settings_lead_to_the_same_database(engine: Engines) -> None:
    url = make_url(engine.get("mariadb").url)
    migrate.upgrade(url.render_as_string(hide_password=False))
    mysql = {
        "MYSQL_HOST": url.host,
        "MYSQL_PORT": str(url.port),
        "MYSQL_USER": url.username,
        "MYSQL_PASSWORD": url.password,
        "MYSQL_DATABASE": url.database,
        "MYSQL_POOL_MAX_CONNECTIONS": "3",
        "MYSQL_POOL_IDLE_TIMEOUT_MS": "1000",
    }
    with process("identity", **(FAST | mysql)) as running:
        async with client(running) as channel:
            await stubs(channel).sign_up(f"{new_id().lower()}@x.io")


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({}, "DATABASE_URL is missing"),
        ({"DATABASE_URL": "mongodb://u:hidden@h/x"}, "DATABASE_URL: expected mysql://"),
        ({"DATABASE_URL": "mysql://u:hidden@h"}, "lacks the host or the name of the database"),
        ({"DATABASE_URL": "postgresql://u:hidden@h/x?sslmode=maybe"}, "TLS mode"),
        ({"DATABASE_URL": "sqlite:///x", "TRIVET_IDENTITY_PORT": "high"}, "TRIVET_IDENTITY_PORT"),
    ],
)
def test_wrong_settings_are_told_by_name_without_their_secrets(extra: dict[str, str], said: str) -> None:
    """R37, K1: one clear answer before anything starts."""
    done = subprocess.run(
        [sys.executable, "-m", "services.identity"],
        env=environment("identity", 1, **extra),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "hidden" not in done.stderr
