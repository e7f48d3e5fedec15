"""What is measured: Trivet's processes on real stores, other servers beside them, and how each is asked."""

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
from bench.load.samples import LOAD, STRANGERS
from bench.peers.peer import Peer
from bench.testbed import cores
from bench.testbed.bulk_sessions import Crowd, Member
from ops.keys.pair_keys import pair_key
from tests.harness.processes import SECRET, Process
from tests.harness.whole import Stores, Whole
from trivet.client import Actor
from trivet.client.actor import METADATA_KEY, sign

PERSON = {"name": "Ada", "email": "ada@example.com", "password": "a long enough password"}
GET_SESSION = "/api/auth/get-session"
A_SESSION = b'"session":{'
TIMEOUT_SECONDS = 15.0
SETTLE_SECONDS = 0.5
IDLE_CORES = 0.3
"""What all processes together may burn at rest: health checks, and watches that tick."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Scene:
    """Everything running, and what requests need to know of it. `pids` and `bare` are by name."""

    whole: Whole
    stores: Stores
    generator: Generator
    pids: dict[str, int]
    store_pids: dict[str, int]
    bare: dict[str, int] = field(default_factory=dict)
    peers: dict[str, Peer] = field(default_factory=dict)
    other_gateway: Process | None = None
    unlimited: Process | None = None
    """A gateway without limits, for what one client or one account does more often than they allow."""
    traced: Whole | None = None
    cookie: str = ""
    token: str = ""
    user_id: str = ""
    session_id: str = ""
    clients: Iterator[int] = field(default_factory=partial(itertools.count, ADDRESSES))

    def get(self, path: str, *, port: int = 0, cookie: str = "", expects: bytes = b"") -> Request:
        """Return a GET from a gateway, the first one if no other is named; the person's, if nobody else is."""
        port = port or self.whole["gateway"].port
        return request(port, "GET", path, {"cookie": cookie or self.cookie}, expects=expects)

    def check(self, member: Member | None = None, *, port: int = 0) -> Request:
        """Return the check of a session, the person's or one of the crowd: an answer without a session is a failure.

        A check of one of the crowd comes from an address of its own.
        """
        asked = self.get(GET_SESSION, port=port, cookie=member.cookie if member else "", expects=A_SESSION)
        return from_address(asked, next(self.clients)) if member else asked

    @property
    def unlimited_port(self) -> int:
        """Return the port of the gateway without limits. Raises RuntimeError if it is not there."""
        if self.unlimited is None:
            raise RuntimeError("there is no gateway without limits")
        return self.unlimited.port

    @property
    def flooded_metrics_ports(self) -> dict[str, int]:
        """Return where the processes that a flood of sign-ins reaches serve /metrics."""
        ports = dict(self.whole.metrics_ports)
        if self.unlimited is not None:
            ports["gateway"] = int(self.unlimited.environment["TRIVET_METRICS_PORT"])
        return ports

    def sign_in(self, email: str, password: str) -> Request:
        """Return a sign-in at the gateway without limits: ten tries in a minute are all that an account has."""
        body = f'{{"email":"{email}","password":"{password}"}}'.encode()
        headers = {"content-type": "application/json", "origin": self.whole.url}
        return request(self.unlimited_port, "POST", "/api/auth/sign-in/email", headers, body)

    def reset(self, email: str) -> Request:
        """Return a request for a reset at the gateway without limits: three mails in a minute are all that it sends."""
        headers = {"content-type": "application/json", "origin": self.whole.url}
        body = f'{{"email":"{email}"}}'.encode()
        return request(self.unlimited_port, "POST", "/api/auth/request-password-reset", headers, body)

    def rpc(self, process: str, method: str, content: bytes, *, for_person: bool) -> Rpc:
        """Return a call signed now, by the gateway for the person or by a program for itself."""
        actor = Actor("gateway", self.user_id, "user", self.session_id) if for_person else Actor("tests")
        key = pair_key(SECRET, actor.caller, process)
        value = sign(actor, process, key, expires=int(time.time()) + 60)
        return Rpc(self.whole[process].address, method, content, ((METADATA_KEY, value),))

    def ask(self, asked: Request) -> tuple[int, bytes]:
        """Send one request; return the status and the body of its answer. Raises TimeoutError without one."""

        async def once() -> tuple[int, bytes]:
            async with asyncio.timeout(TIMEOUT_SECONDS), Connection(asked) as connection:
                return await connection.send(asked.content)

        return asyncio.run(once())

    def put_bare(self, key: str, value: bytes) -> None:
        """Write what the bare GET reads."""
        with Redis.from_url(self.stores.redis) as redis:
            redis.set(key, value)

    @property
    def store_names(self) -> list[str]:
        """Return which stores run here; SQLite has no process."""
        stores = set(self.store_pids.values())
        names = [name for name, pid in self.pids.items() if pid in stores]
        return names if "sql" in self.store_pids else [*names, "sqlite"]

    @cached_property
    def crowd(self) -> Crowd:
        return Crowd(self.stores.sql, self.session_id)

    def place(self, alone: str) -> None:
        """Give the process of that name a core to itself; with an empty name all run everywhere."""
        others = {name: pid for name, pid in self.pids.items() if name != alone}
        cores.part([self.pids[alone]] if alone else [], self.generator.pid, others.values())

    def settle(self) -> None:
        """Wait until all processes are done with what they were asked before, which includes writing their logs."""
        end = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < end:
            before = self.cpu_seconds()
            time.sleep(SETTLE_SECONDS)
            after = self.cpu_seconds()
            if sum(after[name] - before[name] for name in self.pids if name in before) < IDLE_CORES * SETTLE_SECONDS:
                return

    def cpu_seconds(self) -> dict[str, float]:
        """Return what each process has burnt so far, the load generator and strangers too (Linux's /proc)."""
        known = {name: _burnt(pid) for name, pid in {**self.pids, LOAD: self.generator.pid}.items()}
        return known | {STRANGERS: _burnt_by_all() - sum(known.values())}


def _burnt_by_all() -> float:
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / TICKS


def _burnt(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it has ended
    return (int(fields[11]) + int(fields[12])) / TICKS
