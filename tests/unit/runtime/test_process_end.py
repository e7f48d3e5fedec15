"""How a process of ours begins and ends, seen from outside."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from tests.harness.ports import free_port
from tests.harness.processes import ROOT
from tests.harness.rpc import KEY, SERVICE
from tests.harness.waiting import taking
from trivet.client import Signer
from trivet.client.actor import METADATA_KEY
from trivet.identity.v1.user_service_pb2 import GetUserRequest

PROGRAM = """
import asyncio, sys
from runtime.rpc.server import Server
from tests.harness.rpc import *

async def answer(request, context):
    print("called", flush=True)
    await asyncio.sleep(float(request.user_id))
    return User()

async def main():
    configured = settings(grace_seconds=5, metrics_port=int(sys.argv[2]))
    server = Server("identity", configured, int(sys.argv[1]), policy=POLICY, ping=answers)
    server.add(SERVICE, add_UserServiceServicer_to_server, Users(answer))
    print("listens", flush=True)
    await server.run()

asyncio.run(main())
"""


@contextmanager
def program(port: int, metrics_port: int = 0) -> Iterator["subprocess.Popen[str]"]:
    """Run the server above as a process."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port), str(metrics_port)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'protos'}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def call_of(seconds: float, port: int, process: "subprocess.Popen[str]") -> Iterator["grpc.Future[bytes]"]:
    """Make a call that takes so long, and go on once the process works on it."""
    assert process.stdout is not None
    assert process.stdout.readline() == "listens\n"
    metadata = ((METADATA_KEY, Signer("tests", {"identity": KEY})("identity")),)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/GetUser")
        body = GetUserRequest(user_id=str(seconds)).SerializeToString()
        call = stub.future(body, metadata=metadata, wait_for_ready=True, timeout=8)
        assert process.stdout.readline() == "called\n"
        yield call


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_answers_the_call_under_way_and_exits_with_0(signum: signal.Signals) -> None:
    """R10."""
    port = free_port()
    with program(port) as process, call_of(0.5, port, process) as call:
        process.send_signal(signum)
        assert call.result(5) == b""
        assert process.wait(3) == 0


def test_asked_twice_it_exits_at_once() -> None:
    """R10: not after the grace, which is 5 s here."""
    port = free_port()
    with program(port) as process, call_of(6, port, process):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)  # two signals at once are one
        with taking(0, 4):  # less than the grace
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 1


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    """R37."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with program(port) as process:
            _, told = process.communicate(timeout=10)
        assert (process.returncode, told.splitlines()[-1]) == (
            1,
            f"trivet: identity cannot listen on 127.0.0.1:{port}: is the port taken?",
        )
        with program(free_port(), metrics_port=port) as process:
            _, told = process.communicate(timeout=10)
        assert process.returncode == 1
        assert told == f"trivet: cannot serve /metrics on 127.0.0.1:{port}: Address already in use\n"
