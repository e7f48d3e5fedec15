"""A process of its own whose gRPC is busy, and that starts a program many times: prints how each of them ended.

python -m tests.harness.stores.starts as_child|popen USER
"""

import asyncio
import contextlib
import sys

from tests.harness.child_processes import as_child
from tests.harness.rpc import served
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub

STARTS = 60


async def _busy(stub: UserServiceStub) -> None:
    while True:
        await stub.GetUser(GetUserRequest(user_id="user1"))


async def main(way: str, user: str) -> None:
    codes = []
    async with served() as running:
        calls = [asyncio.create_task(_busy(running.stub)) for _ in range(8)]
        for _ in range(STARTS):
            if way == "popen":
                started = await asyncio.create_subprocess_exec("true", user=user)
            else:
                started = await asyncio.create_subprocess_exec(*as_child(["true"], user=user))
            codes.append(await started.wait())
        for call in calls:
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
    print(*codes)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
