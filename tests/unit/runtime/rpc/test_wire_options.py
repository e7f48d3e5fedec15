"""What gRPC itself does below our handlers: it inflates gzip within a bound, and lets idle clients ping."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from tests.harness.processes import ROOT
from tests.harness.rpc import KEY, SERVICE, Served, raw, served
from trivet.client import Signer
from trivet.client.actor import METADATA_KEY
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import UpdateUserRequest
from trivet.identity.v1.user_service_pb2_grpc import UserServiceStub

MIB = 1024 * 1024
BOMB = 64 * MIB  # some 64 kB when compressed
PROGRAM = """
import asyncio, sys
import runtime.rpc.server
from tests.harness.rpc import *

if sys.argv[1] == "unbounded":
    runtime.rpc.server.OPTIONS = tuple(
        (name, -1 if name == "grpc.max_receive_message_length" else value) for name, value in runtime.rpc.server.OPTIONS
    )

async def main():
    async with served() as running:
        print(running.server.port, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def gzipped(address: str) -> aio.Channel:
    return aio.insecure_channel(address, compression=grpc.Compression.Gzip)


def signature(running: Served) -> Any:
    return running.channel.metadata()


async def test_a_message_compressed_by_gzip_is_taken() -> None:
    """Clients of several languages compress by default."""
    user = User(id="user1", name="0" * 1_000_000)
    async with served() as running, gzipped(running.address) as channel:
        answer = await UserServiceStub(channel).UpdateUser(UpdateUserRequest(user=user), metadata=signature(running))
        assert answer == user


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (4 * MIB + 1, grpc.StatusCode.INVALID_ARGUMENT),
        (16 * MIB + 1, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (BOMB, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
async def test_a_message_that_inflates_beyond_4_mib_is_refused_and_the_service_stays_up(
    size: int, code: grpc.StatusCode
) -> None:
    """G6."""
    async with served() as running, gzipped(running.address) as channel:
        with pytest.raises(aio.AioRpcError) as refused:
            await raw(channel, f"/{SERVICE}/UpdateUser")(bytes(size), metadata=signature(running))
        assert refused.value.code() is code
        assert running.users.calls == 0
        assert (
            await UserServiceStub(channel).UpdateUser(UpdateUserRequest(user=User(id="a")), metadata=signature(running))
        ).id == "a"


@contextmanager
def program(bound: str) -> Iterator[tuple[int, int]]:
    """Run a server of ours as a process; yield its port and its process id."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, bound],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'protos'}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.kill()
        process.communicate()


def peak_memory(pid: int) -> int:
    """Return the most bytes that a process ever had resident."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


async def grown_by_a_bomb(bound: str) -> int:
    """Send one bomb and return by how many bytes the server's peak grew."""
    metadata = ((METADATA_KEY, Signer("tests", {"identity": KEY})("identity")),)
    with program(bound) as (port, pid):
        async with gzipped(f"127.0.0.1:{port}") as channel:
            call = raw(channel, f"/{SERVICE}/UpdateUser")
            await call(UpdateUserRequest(user=User(id="a")).SerializeToString(), metadata=metadata, wait_for_ready=True)
            before = peak_memory(pid)
            with pytest.raises(aio.AioRpcError):
                await call(bytes(BOMB), metadata=metadata, timeout=20)
            return peak_memory(pid) - before


async def test_a_bomb_costs_no_more_memory_than_the_largest_message() -> None:
    """G6: measured at the process, since gRPC could look at the size after it has inflated the whole."""
    assert await grown_by_a_bomb("bounded") < 32 * MIB


async def test_without_the_bound_a_bomb_is_held_in_memory() -> None:
    assert await grown_by_a_bomb("unbounded") > 48 * MIB


PINGS = (
    ("grpc.keepalive_time_ms", 1_200),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
SEVERAL_PINGS = 8.0
"""Seconds: gRPC ends a connection at the third ping too many."""


@asynccontextmanager
async def plain_server() -> AsyncIterator[str]:
    server = aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def keeps_its_connection(address: str) -> bool:
    """Whether an idle client that pings as often as it may stays connected."""
    async with aio.insecure_channel(address, options=PINGS) as channel:
        await asyncio.wait_for(channel.channel_ready(), 5)
        try:
            await asyncio.wait_for(channel.wait_for_state_change(grpc.ChannelConnectivity.READY), SEVERAL_PINGS)
        except TimeoutError:
            return True
        return False


@pytest.mark.slow
async def test_an_idle_client_may_ping_to_keep_its_connection() -> None:
    """grpc-go pings every 10 s where it is asked to; gRPC's own limit without calls is one in two hours."""
    async with served() as running:
        assert await keeps_its_connection(running.address)


async def test_without_our_limit_an_idle_client_that_pings_is_disconnected() -> None:
    async with plain_server() as address:
        assert not await keeps_its_connection(address)
