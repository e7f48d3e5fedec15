"""kill -9 of identity amid sign-ups: what was acknowledged is there, the rest is settled by asking again."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from runtime.ids import new_id
from services.identity.store.schema import migrate
from tests.conftest import Engines
from tests.harness.processes import client, process
from tests.harness.waiting import until
from trivet.identity.v1.auth_service_pb2 import SignUpRequest, SignUpResponse
from trivet.identity.v1.auth_service_pb2_grpc import AuthServiceStub
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest
from trivet.identity.v1.session_service_pb2_grpc import SessionServiceStub
from trivet.identity.v1.user_service_pb2 import ListUsersRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub

SIGN_UPS = 200
AT_ONCE = 16
FAST: dict[str, Any] = {"TRIVET_HASHING_MEMORY_KIB": "64", "TRIVET_HASHING_PASSES": "1"}
Acknowledged = dict[int, SignUpResponse]


def _request(run: str, number: int) -> SignUpRequest:
    email = f"{run}-{number}@x.io"
    return SignUpRequest(name="Ann", email=email, password="correct horse battery", request_id=f"{run}-{number}")


async def _sign_up_all(auth: AuthServiceStub, run: str, acknowledged: Acknowledged) -> None:
    """Sign everybody up, and note who was told so; whoever was not is left out."""
    numbers = iter(range(SIGN_UPS))

    async def one_after_another() -> None:
        for number in numbers:
            try:
                acknowledged[number] = await auth.SignUp(_request(run, number), timeout=3)
            except grpc.aio.AioRpcError:
                continue

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))


@pytest.mark.parametrize("name", ["sqlite", "mariadb"])
async def test_every_acknowledged_sign_up_survives_kill_9(engine: Engines, tmp_path: Path, name: str) -> None:
    """R1: exactly once if acknowledged; once or not at all if not, and the same request id settles which."""
    url = f"sqlite:///{tmp_path}/trivet.db" if name == "sqlite" else engine.get(name).url
    migrate.upgrade(url)
    run, acknowledged = new_id().lower(), Acknowledged()
    with process("identity", DATABASE_URL=url, **FAST) as running:
        async with client(running) as channel:
            signing_up = asyncio.create_task(_sign_up_all(AuthServiceStub(channel), run, acknowledged))
            await until(lambda: len(acknowledged) >= SIGN_UPS // 4, 60)
            running.kill()
            await signing_up
    assert SIGN_UPS // 4 <= len(acknowledged) < SIGN_UPS
    with process("identity", DATABASE_URL=url, **FAST) as running:
        async with client(running) as channel:
            sessions, auth = SessionServiceStub(channel), AuthServiceStub(channel)
            for answer in acknowledged.values():
                found = await sessions.VerifySession(VerifySessionRequest(token=answer.token))
                assert found.user == answer.user
            for number in range(SIGN_UPS):
                again = await auth.SignUp(_request(run, number))
                assert number not in acknowledged or again.user == acknowledged[number].user
            page = await UserServiceStub(channel).ListUsers(ListUsersRequest(email_prefix=run, page=1))
            assert page.total_size == SIGN_UPS
