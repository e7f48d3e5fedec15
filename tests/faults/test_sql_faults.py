"""A relational server that hangs, dies and comes back, under the identity service."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.ids import new_id
from services.identity.store.schema import migrate
from tests.conftest import Engines
from tests.harness.processes import Process, client, process
from tests.harness.stores.engines import Engine
from tests.harness.stores.mysql_like import mysqld
from tests.harness.waiting import in_time, until
from trivet.identity.v1.auth_service_pb2 import SignInRequest, SignUpRequest
from trivet.identity.v1.auth_service_pb2_grpc import AuthServiceStub
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest
from trivet.identity.v1.session_service_pb2_grpc import SessionServiceStub

DEADLINE = 2.0
LATEST = 3 * DEADLINE  # a driver without a time-out would wait for the kernel's, for minutes
BACK_SECONDS = 3.0
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
PASSWORD = "correct horse battery"


@dataclass
class Scene:
    """A running service, its database, and somebody signed in."""

    engine: Engine
    identity: Process
    auth: AuthServiceStub
    sessions: SessionServiceStub
    health: Any  # the published types of its stub lack the methods
    email: str
    token: str

    def signal_database(self, signum: signal.Signals, *, with_children: bool = False) -> None:
        """Signal the server; PostgreSQL answers from children of its own, which stop and go on one by one."""
        assert self.engine.process is not None
        for pid in (self.engine.process.pid, *(_children(self.engine.process.pid) if with_children else ())):
            os.kill(pid, signum)

    async def check(self) -> None:
        await self.sessions.VerifySession(VerifySessionRequest(token=self.token), timeout=DEADLINE)

    async def sign_in(self) -> None:
        await self.auth.SignIn(SignInRequest(email=self.email, password=PASSWORD), timeout=DEADLINE)

    async def is_well(self) -> bool:
        try:
            await self.check()
            await self.sign_in()
        except grpc.aio.AioRpcError:
            return False
        return True


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(params=["mariadb", "postgresql", "pgbouncer", *(["own mysql"] if mysqld() else [])])
async def scene(engine: Engines, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    database = engine.get(request.param)
    if database.process is None:
        pytest.skip(f"{database.name} is not ours to stop: it was given by URL")
    migrate.upgrade(database.url)
    email = f"{new_id().lower()}@x.io"
    with process("identity", DATABASE_URL=database.url, TRIVET_HASHING_MEMORY_KIB="64") as running:
        async with client(running) as channel:
            auth = AuthServiceStub(channel)
            made = await auth.SignUp(SignUpRequest(name="Ann", email=email, password=PASSWORD))
            health = health_pb2_grpc.HealthStub(channel)
            yield Scene(database, running, auth, SessionServiceStub(channel), health, email, made.token)


async def _fails_in_time(call: Any) -> float:
    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() in AWAY
    return time.monotonic() - began


async def test_a_database_that_hangs_makes_calls_fail_within_their_deadline(scene: Scene) -> None:
    """R3: SIGSTOP. Sixty calls at once, more than there are connections; the process itself goes on answering."""
    scene.signal_database(signal.SIGSTOP, with_children=True)
    try:
        calls = [scene.check() if number % 2 else scene.sign_in() for number in range(60)]
        taken = await asyncio.gather(*(_fails_in_time(call) for call in calls))
        in_time(max(taken), DEADLINE / 2, LATEST)
        status = await scene.health.Check(health_pb2.HealthCheckRequest(service="store"), timeout=DEADLINE)
        assert status.status == health_pb2.HealthCheckResponse.NOT_SERVING
    finally:
        scene.signal_database(signal.SIGCONT, with_children=True)
    assert await until(scene.is_well, BACK_SECONDS) < BACK_SECONDS
    assert scene.identity.popen.poll() is None


async def test_a_database_that_dies_is_found_again_when_it_is_back(scene: Scene) -> None:
    """R3, R36: kill -9 and a new start on the same data; no restart of ours, nothing acknowledged is lost."""
    assert scene.engine.process is not None
    # PostgreSQL's children hold the port until they notice that their parent is gone: its own fast way to die.
    signum = signal.SIGKILL if scene.engine.name != "postgresql" else signal.SIGQUIT
    scene.signal_database(signum)
    scene.engine.process.wait()
    try:
        calls = [scene.check() if number % 2 else scene.sign_in() for number in range(20)]
        in_time(max(await asyncio.gather(*(_fails_in_time(call) for call in calls))), 0, LATEST)
    finally:
        await asyncio.to_thread(scene.engine.restart)
    assert await until(scene.is_well, BACK_SECONDS) < BACK_SECONDS
    assert scene.identity.popen.poll() is None
