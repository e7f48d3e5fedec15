"""Trivet's own processes for tests: each a real one, on free ports, given the stores' URLs."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from ops.keys.pair_keys import SEALING, SERVICES, accept_keys, pair_key, seal_keys
from ops.stack.environment import SIGNING
from tests.harness.child_processes import start
from tests.harness.ports import free_port
from trivet.client import Channel, Signer, connect

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-for-tests-0123456789abcdef-0123456789"
PROGRAMS = ("ops", "tests", "unheard")
WITHHELD = {"AuditService", "UserDataService"}
"""The programs that have keys: "tests" may call all but WITHHELD, "unheard" nothing; "ops" and the gateway may also
call all of the cache, as tests do in their names."""
START_SECONDS = 30


@dataclass
class Process:
    """A running process of ours, its address and what it wrote."""

    name: str
    port: int
    environment: Mapping[str, str]
    log: Path
    popen: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        module = "gateway" if self.name == "gateway" else f"services.{self.name}"
        with self.log.open("ab") as log:
            self.popen = start(
                [sys.executable, "-m", module], env=dict(self.environment), stdout=log, stderr=log, cwd=self.tree
            )

    @property
    def tree(self) -> str:
        """The folder of its code, which PYTHONPATH names last."""
        return self.environment["PYTHONPATH"].rpartition(os.pathsep)[2]

    @property
    def address(self) -> str:
        return f"{self.environment.get('TRIVET_HOST', '127.0.0.1')}:{self.port}"

    def signal(self, signum: signal.Signals) -> None:
        self.popen.send_signal(signum)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.popen.kill()
        self.popen.wait()

    def restore(self) -> None:
        """Let it go on if it was stopped, start it anew if it is gone, and return once it accepts calls."""
        self.popen.send_signal(signal.SIGCONT)
        if self.popen.poll() is not None:
            self.start()
        wait_until_up(self)

    def end(self) -> int:
        """SIGTERM; return the exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.popen.send_signal(signal.SIGCONT)
        self.popen.terminate()
        try:
            return self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def output(self) -> str:
        return self.log.read_text(errors="replace")


def environment(name: str, port: int, **extra: str) -> dict[str, str]:
    """Return what a process named `name` finds in its environment."""
    own = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'protos'}{os.pathsep}{ROOT}",
        "PYTHONUNBUFFERED": "1",
        "TRIVET_ENV": "development",
        "TRIVET_LOG_FORMAT": "json",
        "TRIVET_TRUST_LOOPBACK": "off",  # as in production: the tests' foreign pages are on this machine
        ("TRIVET_HTTP_PORT" if name == "gateway" else f"TRIVET_{name.upper()}_PORT"): str(port),
        "TRIVET_CALL_KEYS": ",".join(
            f"{service}={pair_key(SECRET, name, service).hex()}" for service in SERVICES if service != name
        ),
    }
    if name in SERVICES:
        own["TRIVET_ACCEPT_KEYS"] = accept_keys(SECRET, name, PROGRAMS)
        own["TRIVET_PEOPLE_CALLERS"] = "gateway,tests"
        own["TRIVET_PROGRAM_RIGHTS"] = ",".join(
            f"{program}={service}/*"
            for program in ("tests", "ops", "gateway")[: 3 if name == "cache" else 1]
            for service in _services(name)
            if service not in WITHHELD
        )
    if name in SEALING:
        own["TRIVET_SEAL_KEYS"] = seal_keys([SECRET], name)
    if name in SIGNING:
        own["TRIVET_SECRET"] = SECRET
    return own | extra


def _services(name: str) -> list[str]:
    """Return the names of the services that a process serves, without their package."""
    policy = import_module(f"services.{name}.policy").POLICY
    return sorted({method.rpartition("/")[0].rpartition(".")[2] for method in policy})


@contextmanager
def process(name: str, *, port: int | None = None, wait: bool = True, **extra: str) -> Iterator[Process]:
    """Run one process with `extra` in its environment, ended afterwards. With `wait`, return once it answers."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix=f"trivet-{name}-") as folder:
        running = Process(name, port, environment(name, port, **extra), Path(folder) / f"{name}.log")
        running.start()
        try:
            if wait:
                wait_until_up(running)
            yield running
        finally:
            if running.popen.poll() is None:
                running.end()


def wait_until_up(running: Process) -> None:
    """Return once the process accepts calls. Raises with its output if it dies first."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and running.popen.poll() is None:
        if running.name == "gateway":
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{running.address}/healthz", timeout=1).close()
                return
        elif _is_serving(running.address):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{running.name} did not come up:\n{running.output()[-4000:]}")


def _is_serving(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            return bool(
                check(health_pb2.HealthCheckRequest(), timeout=1).status == health_pb2.HealthCheckResponse.SERVING
            )
        except grpc.RpcError:
            return False


def client(running: Process, *, caller: str = "tests", timeout: float = 5.0) -> Channel:
    """Open a channel to a service as the program `caller`; close it, or use it as an async context manager."""
    key = pair_key(SECRET, caller, running.name)
    return connect(running.address, running.name, Signer(caller, {running.name: key}), timeout=timeout)
