"""A stack on stores that the operator gives: those are used, and no embedded one is started."""

from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from tests.conftest import Engines
from tests.e2e.accounts import sign_in, sign_up
from tests.harness.ports import free_port
from tests.harness.stack import Stack, environment, stack, trivet
from tests.harness.stores.engines import end
from tests.harness.waiting import eventually


def test_given_stores_are_used_and_no_embedded_one_is_started(data: Path, engine: Engines) -> None:
    given = {"DATABASE_URL": engine.get("mariadb").url, "REDIS_URL": engine.get("redis").url}
    with stack(data, **given) as running:
        assert "valkey" not in running.children()
        assert "secantusdb" in running.children()
        assert running.addresses["sql"].startswith("mariadb://127.0.0.1:")
        sign_up(running.url, "on-mariadb@example.com")
        assert sign_in(running.url, "on-mariadb@example.com") == 200
    assert not (data / "trivet.db").exists()
    assert "trivet-test" not in running.output, "the password of the URL"


def test_a_stack_waits_for_a_database_that_is_down_and_becomes_ready_by_itself(data: Path, engine: Engines) -> None:
    """R36: the other parts live meanwhile, and liveness depends on no database."""
    database = engine.get("mariadb")
    assert database.process is not None
    end(database.process)
    http = free_port()
    own = environment(data, DATABASE_URL=database.url, TRIVET_HTTP_PORT=str(http))
    running = Stack(own, data.with_suffix(".log"))
    try:
        running.wait_for(r"^  gateway +is not ready")
        eventually(
            lambda: "waiting for the database to answer: DATABASE_URL: nothing listens at the host" in running.log,
            seconds=10,
        )
        assert httpx.get(f"http://127.0.0.1:{http}/healthz").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{http}/readyz", timeout=5).status_code == 503
        database.restart()
        running.wait_until_ready()
        eventually(lambda: httpx.get(f"{running.url}/readyz", timeout=5).status_code == 200, seconds=20)
    finally:
        running.stop()
        if database.process.poll() is not None:
            database.restart()


def test_a_stack_that_waits_can_be_stopped(data: Path) -> None:
    nobody = f"mariadb://trivet:x@127.0.0.1:{free_port()}/trivet"
    running = Stack(environment(data, DATABASE_URL=nobody), data.with_suffix(".log"))
    running.wait_for(r"^  cache +ready")
    assert running.stop() < 5
    assert running.process.returncode == 0


@pytest.mark.parametrize("name", ["mariadb", "postgresql"])
def test_a_wrong_password_is_one_line_and_status_2(data: Path, engine: Engines, name: str) -> None:
    """R37: and the line holds neither the password nor a traceback."""
    wrong = engine.get(name).url.replace("trivet-test", "not-the-password")
    refused = trivet("run", environment=environment(data, DATABASE_URL=wrong))
    assert refused.returncode == 2
    assert "trivet: DATABASE_URL: the server rejects the user or the password: correct them" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "not-the-password" not in refused.stderr


@pytest.mark.parametrize("name", ["mariadb", "postgresql"])
def test_a_missing_database_is_named_with_the_mend(data: Path, engine: Engines, name: str) -> None:
    """By every command, in one line, whatever language the server speaks."""
    missing = make_url(engine.get(name).url).set(database="nowhere").render_as_string(hide_password=False)
    own = environment(data, DATABASE_URL=missing)
    for command in (("db", "migrate", "--wait"), ("db", "status"), ("users", "list")):
        refused = trivet(*command, environment=own)
        assert refused.returncode == 2, refused.stderr
        assert refused.stderr.startswith(
            "trivet: DATABASE_URL: the server has no database of that name: create it (CREATE DATABASE)"
        )
        assert refused.stderr.count("\n") == 1
        assert "trivet-test" not in refused.stderr
