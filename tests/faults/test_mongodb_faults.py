"""What the notifications service answers while its MongoDB fails, hangs, dies or was never there, and after that.

Each test breaks a SecantusDB of its own under a real process.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect

from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness.processes import Process, client, process
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine
from tests.harness.waiting import in_time, until
from trivet.client import Channel
from trivet.notifications.v1 import log_service_pb2 as log
from trivet.notifications.v1 import notification_service_pb2 as pb
from trivet.notifications.v1.log_service_pb2_grpc import LogServiceStub
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub

DEADLINE_SECONDS = 2.0
LATEST_SECONDS = 3 * DEADLINE_SECONDS  # the driver itself would wait for 30 s
BACK_SECONDS = 3.0
AWAY = (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)
FAULTS: dict[str, dict[str, Any]] = {
    "interrupted-at-shutdown": {"errorCode": 11_600},
    "shutdown-in-progress": {"errorCode": 91},
    "primary-stepped-down": {"errorCode": 189},
    "not-primary": {"errorCode": 10_107},
    "connection-closed": {"closeConnection": True},
}


@pytest.fixture(scope="module")
def server(engine: Engines) -> Iterator[Engine]:
    engine.get("secantusdb")  # names it in the report, and skips where it is missing
    with engines.secantusdb() as own:
        yield own


@pytest.fixture(scope="module")
def running(server: Engine) -> Iterator[Process]:
    with process("notifications", MONGODB_URI=server.url) as started:
        yield started


@dataclass
class House:
    """A notifications process over an engine, its stubs, the engine itself, and a user that no other test has."""

    running: Process
    channel: Channel
    server: Engine
    store: AsyncMongoClient[dict[str, Any]]
    user: str = field(default_factory=new_id)
    notifications: NotificationServiceStub = field(init=False)
    logs: LogServiceStub = field(init=False)

    def __post_init__(self) -> None:
        self.notifications = NotificationServiceStub(self.channel)
        self.logs = LogServiceStub(self.channel)

    async def create(self, title: str = "Hello", request_id: str = "") -> pb.Notification:
        notification = pb.Notification(user_id=self.user, title=title)
        request = pb.CreateNotificationRequest(notification=notification, request_id=request_id)
        return await self.notifications.CreateNotification(request, timeout=DEADLINE_SECONDS)

    async def unread(self) -> int:
        request = pb.CountUnreadRequest(user_id=self.user)
        return (await self.notifications.CountUnread(request, timeout=DEADLINE_SECONDS)).unread_count

    async def write_log(self) -> int:
        request = log.WriteLogsRequest(entries=[log.LogEntry(message="line")])
        return (await self.logs.WriteLogs(request, timeout=DEADLINE_SECONDS)).written_count

    async def works(self) -> bool:
        try:
            return await self.unread() >= 0 and await self.write_log() == 1
        except aio.AioRpcError:
            return False

    async def rows(self) -> int:
        return await self.store.trivet.notifications.count_documents({"userId": self.user})

    async def titles(self) -> list[str]:
        found = self.store.trivet.notifications.find({"userId": self.user}, {"title": 1})
        return [row["title"] async for row in found]

    @asynccontextmanager
    async def failing(self, command: str, mode: Any, fault: dict[str, Any]) -> AsyncIterator[None]:
        """Let the engine fail the service's commands of this name, and nobody else's."""
        data = {"failCommands": [command], "appName": "trivet-notifications", **fault}
        await self.store.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
        try:
            yield
        finally:
            await self.store.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.fixture
async def at(server: Engine, running: Process) -> AsyncIterator[House]:
    async with client(running) as channel, AsyncMongoClient[dict[str, Any]](server.url) as store:
        house = House(running, channel, server, store)
        await until(house.works, 10)
        yield house


async def killed(server: Engine) -> None:
    """kill -9, and wait until it is gone."""
    assert server.process is not None
    server.process.kill()
    await asyncio.to_thread(server.process.wait)


async def failure(call: Any) -> tuple[StatusCode, float]:
    """Return how a call fails and after how long; fails the test if it does not."""
    began = time.monotonic()
    with pytest.raises(aio.AioRpcError) as failed:
        await call
    return failed.value.code(), time.monotonic() - began


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_can_be_repeated_is_and_the_caller_never_hears_of_it(at: House, fault: dict[str, Any]) -> None:
    """R22: a read and a write, each failing once."""
    async with at.failing("aggregate", {"times": 1}, fault):
        assert await at.unread() == 0
    async with at.failing("insert", {"times": 1}, fault):
        await at.create()
    async with at.failing("insert", {"times": 1}, fault):
        assert await at.write_log() == 1
    assert await at.rows() == 1


async def test_without_retries_the_caller_would_hear_of_it(at: House) -> None:
    """The protection off: the same fault under a client that does not repeat reads."""
    url = f"{at.server.url}/?retryReads=false&appName=trivet-notifications"
    async with AsyncMongoClient[dict[str, Any]](url) as once:
        await once.admin.command("ping")
        async with at.failing("aggregate", {"times": 1}, FAULTS["connection-closed"]):
            with pytest.raises(AutoReconnect):
                await once.trivet.notifications.count_documents({})


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_keeps_failing_is_unavailable_within_the_deadline(at: House, fault: dict[str, Any]) -> None:
    """R22, R5."""
    async with at.failing("insert", "alwaysOn", fault):
        code, seconds = await failure(at.create())
    assert code in AWAY
    in_time(seconds, 0, LATEST_SECONDS)
    await until(at.works, BACK_SECONDS)
    assert await at.rows() == 0


async def test_an_insert_that_was_done_before_its_answer_was_lost_is_one_row_and_a_success(at: House) -> None:
    """R22: the write is done, the answer says to try again, and the second try finds the row."""
    lost = {"writeConcernError": {"code": 91, "errmsg": "lost"}, "errorLabels": ["RetryableWriteError"]}
    async with at.failing("insert", {"times": 1}, lost):
        created = await at.create("one", request_id=at.user)
    assert await at.rows() == 1
    assert (await at.create("one", request_id=at.user)).id == created.id


async def test_a_hung_store_is_an_error_within_the_deadline_and_all_is_well_soon_after(at: House) -> None:
    """R3."""
    assert at.server.process is not None
    at.server.process.send_signal(signal.SIGSTOP)
    try:
        answers = await asyncio.gather(*(failure(call()) for call in (at.create, at.unread, at.write_log) * 3))
        health: Any = health_pb2_grpc.HealthStub(at.channel)  # published without its methods
        asked = await health.Check(health_pb2.HealthCheckRequest(service="store"), timeout=DEADLINE_SECONDS)
    finally:
        at.server.process.send_signal(signal.SIGCONT)
    assert {code for code, _ in answers} <= set(AWAY)
    in_time(max(seconds for _, seconds in answers), DEADLINE_SECONDS / 2, LATEST_SECONDS)
    assert asked.status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert at.running.popen.poll() is None
    await until(at.works, BACK_SECONDS)


async def test_a_deadline_shorter_than_the_stores_own_time_out_is_kept(at: House) -> None:
    """R5."""
    async with at.failing("aggregate", "alwaysOn", {"blockConnection": True, "blockTimeMS": 1_000}):
        request = pb.CountUnreadRequest(user_id=at.user)
        code, seconds = await failure(at.notifications.CountUnread(request, timeout=0.3))
        short = [await failure(at.notifications.CountUnread(request, timeout=ms / 1_000)) for ms in range(2, 21)]
    assert code is StatusCode.DEADLINE_EXCEEDED
    in_time(seconds, 0.2, 0.95)  # the store answers after a second
    assert {code for code, _ in short} == {StatusCode.DEADLINE_EXCEEDED}  # the store is not to blame


async def test_every_acknowledged_notification_survives_kill_9_of_the_store(at: House) -> None:
    """R23, R25: what was answered is there once; what was not is settled by its request id."""
    tried: set[str] = set()
    acknowledged: set[str] = set()

    async def write(worker: int) -> None:
        with suppress(aio.AioRpcError):
            for number in range(1_000):
                name = f"{at.user}-{worker}-{number}"
                tried.add(name)
                await at.create(name, request_id=name)
                acknowledged.add(name)

    writers = [asyncio.create_task(write(worker)) for worker in range(8)]
    await until(lambda: len(acknowledged) > 100, 20)
    await killed(at.server)
    await asyncio.gather(*writers)
    await asyncio.to_thread(at.server.restart)
    await until(at.works, 10)
    stored = await at.titles()
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))
    for name in tried - acknowledged:
        await at.create(name, request_id=name)
    assert sorted(await at.titles()) == sorted(tried)
    assert await at.unread() == len(tried)


async def test_the_process_outlives_its_store_and_serves_again_when_that_is_back(at: House) -> None:
    """R36: liveness never depends on a database."""
    await killed(at.server)
    code, seconds = await failure(at.unread())
    assert code in AWAY
    in_time(seconds, 0, LATEST_SECONDS)
    assert at.running.popen.poll() is None
    await asyncio.to_thread(at.server.restart)
    await until(at.works, BACK_SECONDS)
