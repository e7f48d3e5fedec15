"""The testbed: Trivet's processes on real stores, other servers beside them, and the requests to each."""

import asyncio
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from redis import Redis

from bench.load.generator import Generator
from bench.load.http import ADDRESSES, Connection, Request, from_address, request
from bench.load.rpc import Rpc
from bench.load.samples import LOAD, OTHER_PROGRAMS
from bench.peers.peer import Peer
from bench.testbed import cores
from bench.testbed.bulk_sessions import BulkSession, BulkSessions
from ops.keys.pair_keys import pair_key
from tests.harness.processes import SECRET, Process
from tests.harness.whole import Stores, Whole
from trivet.client import Actor
from trivet.client.actor import METADATA_KEY, sign

USER = {"name": "Ada", "email": "ada@example.com", "password": "a long enough password"}
GET_SESSION = "/api/auth/get-session"
A_SESSION = b'"session":{'
TIMEOUT_SECONDS = 15.0
SETTLE_SECONDS = 0.5
IDLE_CORES = 0.3
"""The number of cores that idle processes use at most, for health checks and Watch ticks."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Testbed:
    """All running processes, and the values that requests need. `pids` and `bare` are by name."""

    whole: Whole
    stores: Stores
    generator: Generator
    pids: dict[str, int]
    store_pids: dict[str, int]
    bare: dict[str, int] = field(default_factory=dict)
    peers: dict[str, Peer] = field(default_factory=dict)
    other_gateway: Process | None = None
    unlimited: Process | None = None
    """A gateway without rate limits, for load of one client or one account."""
    traced: Whole | None = None
    cookie: str = ""
    token: str = ""
    user_id: str = ""
    session_id: str = ""
    clients: Iterator[int] = field(default_factory=partial(itertools.count, ADDRESSES))

    def get(self, path: str, *, port: int = 0, cookie: str = "", expects: bytes = b"") -> Request:
        """Return a GET request. Defaults: the first gateway, and the cookie of the test user."""
        port = port or self.whole["gateway"].port
        return request(port, "GET", path, {"cookie": cookie or self.cookie}, expects=expects)

    def check(self, session: BulkSession | None = None, *, port: int = 0) -> Request:
        """Return the check of a session, by default the test user's. An answer without a session counts as a failure.

        Each check of another session comes from a new client address.
        """
        asked = self.get(GET_SESSION, port=port, cookie=session.cookie if session else "", expects=A_SESSION)
        return from_address(asked, next(self.clients)) if session else asked

    @property
    def unlimited_port(self) -> int:
        """Return the port of the gateway without limits. Raises RuntimeError if it could not be started."""
        if self.unlimited is None:
            raise RuntimeError("the gateway without limits could not be started")
        return self.unlimited.port

    @property
    def flooded_metrics_ports(self) -> dict[str, int]:
        """Return the metrics ports of the processes that a flood of sign-ins reaches."""
        ports = dict(self.whole.metrics_ports)
        if self.unlimited is not None:
            ports["gateway"] = int(self.unlimited.environment["TRIVET_METRICS_PORT"])
        return ports

    def sign_in(self, email: str, password: str) -> Request:
        """Return a sign-in at the gateway without limits: others allow an account ten tries a minute."""
        body = f'{{"email":"{email}","password":"{password}"}}'.encode()
        headers = {"content-type": "application/json", "origin": self.whole.url}
        return request(self.unlimited_port, "POST", "/api/auth/sign-in/email", headers, body)

    def reset(self, email: str) -> Request:
        """Return a password reset request to the gateway without limits: others send three mails a minute."""
        headers = {"content-type": "application/json", "origin": self.whole.url}
        body = f'{{"email":"{email}"}}'.encode()
        return request(self.unlimited_port, "POST", "/api/auth/request-password-reset", headers, body)

    def rpc(self, process: str, method: str, content: bytes, *, as_user: bool) -> Rpc:
        """Return a call signed now: by the gateway as the test user, or by a program for itself."""
        actor = Actor("gateway", self.user_id, "user", self.session_id) if as_user else Actor("tests")
        key = pair_key(SECRET, actor.caller, process)
        value = sign(actor, process, key, expires=int(time.time()) + 60)
        return Rpc(self.whole[process].address, method, content, ((METADATA_KEY, value),))

    def ask(self, asked: Request) -> tuple[int, bytes]:
        """Send one request. Return the status and the body. Raises TimeoutError if no answer comes."""

        async def once() -> tuple[int, bytes]:
            async with asyncio.timeout(TIMEOUT_SECONDS), Connection(asked) as connection:
                return await connection.send(asked.content)

        return asyncio.run(once())

    def put_bare(self, key: str, value: bytes) -> None:
        """Write the value that the bare GET reads."""
        with Redis.from_url(self.stores.redis) as redis:
            redis.set(key, value)

    @property
    def store_names(self) -> list[str]:
        """Return the names of the stores."""
        stores = set(self.store_pids.values())
        names = [name for name, pid in self.pids.items() if pid in stores]
        return names if "sql" in self.store_pids else [*names, "sqlite"]

    @cached_property
    def bulk_sessions(self) -> BulkSessions:
        return BulkSessions(self.stores.sql, self.session_id)

    def pin(self, alone: str) -> None:
        """Pin the process `alone` to a core of its own. With an empty name all run on all cores."""
        others = {name: pid for name, pid in self.pids.items() if name != alone}
        cores.assign([self.pids[alone]] if alone else [], self.generator.pid, others.values())

    def settle(self) -> None:
        """Wait until all processes are idle: they can still write logs of earlier requests."""
        end = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < end:
            before = self.cpu_seconds()
            time.sleep(SETTLE_SECONDS)
            after = self.cpu_seconds()
            if sum(after[name] - before[name] for name in self.pids if name in before) < IDLE_CORES * SETTLE_SECONDS:
                return

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds of each process, of the load generator and of other programs (Linux's /proc)."""
        known = {name: _cpu_seconds_of(pid) for name, pid in {**self.pids, LOAD: self.generator.pid}.items()}
        return known | {OTHER_PROGRAMS: _cpu_seconds_of_all() - sum(known.values())}


def _cpu_seconds_of_all() -> float:
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / TICKS


def _cpu_seconds_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it has ended
    return (int(fields[11]) + int(fields[12])) / TICKS
