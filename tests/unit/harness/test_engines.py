"""Servers of tests start from a process whose gRPC is busy."""

import asyncio
import contextlib
import os
import subprocess

import pytest

from tests.harness.engines import other_user, run_as
from tests.harness.rpc import served
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub

STARTS = 40


async def _busy(stub: UserServiceStub) -> None:
    while True:
        await stub.GetUser(GetUserRequest(user_id="user1"))


@pytest.mark.parametrize("is_forked", [False, True], ids=["run_as", "Popen(user=)"])
async def test_a_program_starts_as_another_user_beside_busy_grpc(is_forked: bool) -> None:
    """Red by `Popen(user=)`: between fork and exec gRPC's threads start again in the copy and end it by a signal."""
    user = other_user()
    if user is None and is_forked:
        return  # whoever is not root starts nothing as another user
    codes = []
    async with served() as running:
        calls = [asyncio.create_task(_busy(running.stub)) for _ in range(8)]
        for _ in range(STARTS):
            command, who = (["true"], user) if is_forked else (run_as(user, ["true"]), None)
            started = await asyncio.create_subprocess_exec(*command, user=who)
            codes.append(await started.wait())
        for call in calls:
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
    assert is_forked == any(codes), f"ended with {codes}"


def test_a_program_has_no_right_of_ours() -> None:
    command = run_as(other_user(), ["sh", "-c", "id -u; id -G"])
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert os.getuid() != 0 or "0" not in done.stdout.split()
