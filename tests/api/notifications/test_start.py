"""Starting: what the settings must be, and what happens while MongoDB is not there yet."""

import subprocess
import sys
from typing import Any

import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo import AsyncMongoClient

from runtime.ids import new_id
from tests.api.notifications.conftest import Api, refusal
from tests.conftest import Engines
from tests.harness.ports import free_port
from tests.harness.processes import ROOT, Process, client, environment, process
from trivet.notifications.v1 import notification_service_pb2 as pb

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize(
    "uri",
    ["", "postgresql://x", "mongodb://", "mongodb://ann:hunter2@x:port/db", "mongodb://ann:hunter2@x/?tls=perhaps"],
)
def test_a_wrong_uri_ends_the_start_by_name_and_shows_no_password(uri: str) -> None:
    """R37, K1."""
    ended = subprocess.run(
        [sys.executable, "-m", "services.notifications"],
        env=environment("notifications", free_port(), MONGODB_URI=uri),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 2
    assert "MONGODB_URI" in ended.stderr
    assert "hunter2" not in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_without_its_store_it_lives_is_not_ready_and_refuses_in_time() -> None:
    """R36."""
    uri = f"mongodb://127.0.0.1:{free_port()}/nowhere"
    with process("notifications", wait=False, MONGODB_URI=uri) as running:
        async with client(running) as channel:
            await channel.channel_ready()
            health: Any = health_pb2_grpc.HealthStub(channel)  # published without its methods
            assert (await health.Check(health_pb2.HealthCheckRequest(service="store"))).status == NOT_SERVING
            refused = await refusal(Api(channel).create("ann"))
    assert (refused.code, refused.reason) == (StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


async def test_mongodb_url_is_understood_too_and_its_path_names_the_database(engine: Engines) -> None:
    name = f"trivet_named_{new_id()}"
    server = engine.get("secantusdb").url
    with process("notifications", MONGODB_URL=f"{server}/{name}") as running:
        async with client(running) as channel:
            await Api(channel).create("ann")
    async with AsyncMongoClient[dict[str, object]](server) as store:
        assert await store[name].notifications.count_documents({}) == 1


async def test_a_second_start_leaves_the_indexes_as_they_are(mongodb_url: str, running: Process) -> None:
    async with AsyncMongoClient[dict[str, object]](mongodb_url) as store:
        rows = store.get_default_database().notifications
        before = await rows.index_information()
        with process("notifications", MONGODB_URI=mongodb_url) as second:
            async with client(second) as channel:
                await Api(channel).notifications.CountUnread(pb.CountUnreadRequest(user_id="ann"))
        assert await rows.index_information() == before
        assert set(before) == {"_id_", "by_user", "unread", "by_request", "undelivered", "unmigrated", "expiry"}
        its = await store.get_default_database().deliveries.index_information()
        assert set(its) == {"_id_", "by_notification", "by_user", "kept_mail", "due", "expiry"}
