"""What is measured: Trivet's processes on real stores, bare servers beside them, and a person with 20 notifications."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.http_load import Request, request
from bench.peers import Peer, peer
from bench.rpc_load import Rpc
from ops.keys import pair_key
from tests.harness import engines
from tests.harness.engines import Engine, MissingEngineError, free_port, wait_for_port
from tests.harness.processes import SECRET, client
from tests.harness.whole import Stores, Whole, whole
from trivet.client import Actor
from trivet.client.actor import METADATA_KEY, sign
from trivet.notifications.v1.notification_service_pb2 import CreateNotificationRequest, Notification
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub

PERSON = {"name": "Ada", "email": "ada@example.com", "password": "a long enough password"}
NOTIFICATIONS = 20
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Scene:
    """Everything running, and what requests need to know of it."""

    whole: Whole
    stores: Stores
    pids: dict[str, int]
    store_pids: dict[str, int]
    bare_http_port: int
    bare_rpc_port: int
    peer: Peer | None = None
    cached_peer: Peer | None = None
    cookie: str = ""
    user_id: str = ""
    session_id: str = ""

    def get(self, path: str) -> Request:
        """Return the person's GET from the gateway."""
        return request(self.whole["gateway"].port, "GET", path, {"cookie": self.cookie})

    def sign_in(self, email: str, password: str) -> Request:
        body = f'{{"email":"{email}","password":"{password}"}}'.encode()
        headers = {"content-type": "application/json", "origin": self.whole.url}
        return request(self.whole["gateway"].port, "POST", "/api/auth/sign-in/email", headers, body)

    def rpc(self, process: str, method: str, content: bytes, *, for_person: bool) -> Rpc:
        """Return a call signed now, by the gateway for the person or by a program for itself."""
        actor = Actor("gateway", self.user_id, "user", self.session_id) if for_person else Actor("tests")
        key = pair_key(SECRET, actor.caller, process)
        value = sign(actor, process, key, expires=int(time.time()) + 60)
        return Rpc(self.whole[process].address, method, content, ((METADATA_KEY, value),))

    def cpu_seconds(self) -> dict[str, float]:
        """Return what each process has burnt so far (Linux's /proc)."""
        return {name: _burnt(pid) for name, pid in self.pids.items()}


def _burnt(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def scene(*, embedded: bool, peers: bool = False) -> Iterator[Scene]:
    """Start it all, and end it afterwards. `embedded` leaves the big servers out: SQLite and Valkey start at once.

    `peers` has the original server run beside it, once plain and once with its cookie cache.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="trivet-bench-")))
        found = {name: _engine(stack, *kinds) for name, kinds in (EMBEDDED if embedded else REAL).items()}
        sql = found["sql"].url if found["sql"] else f"sqlite:///{folder / 'trivet.db'}"
        stores = Stores(sql, _url(found["mongodb"]), _url(found["redis"]))
        running = stack.enter_context(whole(stores, TRIVET_LOG_LEVEL="WARNING"))
        http, rpc = (stack.enter_context(_bare(name, folder)) for name in ("bare_http", "bare_rpc"))
        pids = {name: process.popen.pid for name, process in running.processes.items()}
        started = {kind: engine for kind, engine in found.items() if engine and engine.process}
        store_pids = {kind: engine.process.pid for kind, engine in started.items() if engine.process}
        pids |= {engine.name: store_pids[kind] for kind, engine in started.items()}
        made = Scene(running, stores, pids, store_pids, http, rpc)
        asyncio.run(_furnish(made))
        if peers:
            made.peer, made.cached_peer = (
                stack.enter_context(peer(sql, PERSON, folder / f"peer-{cached}.log", cookie_cache=cached))
                for cached in (False, True)
            )
        yield made


REAL = {"sql": (engines.mariadb,), "mongodb": (engines.secantusdb,), "redis": (engines.redis, engines.valkey)}
EMBEDDED = {"sql": (), "mongodb": (engines.secantusdb,), "redis": (engines.valkey,)}


def _engine(stack: ExitStack, *starters: object) -> Engine | None:
    """Start the first of these that is on this machine."""
    for starter in starters:
        try:
            return stack.enter_context(starter())  # type: ignore[operator, no-any-return]  # each a context manager
        except MissingEngineError:
            continue
    return None


def _url(engine: Engine | None) -> str:
    if engine is None:
        raise SystemExit("bench: install the embedded stores first: make install")
    return engine.url


@contextmanager
def _bare(name: str, folder: Path) -> Iterator[int]:
    """Run a bare server on a free port."""
    port, log = free_port(), folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", f"bench.{name}", str(port)], stdout=output, stderr=output)
    try:
        wait_for_port(port, process, log)
        yield port
    finally:
        engines.end(process)


async def _furnish(made: Scene) -> None:
    """Sign the person up, and tell them 20 things."""
    async with httpx.AsyncClient(base_url=made.whole.url, headers={"origin": made.whole.url}, timeout=30) as browser:
        (await browser.post("/api/auth/sign-up/email", json=PERSON)).raise_for_status()
        found = (await browser.get("/api/auth/get-session")).json()
        made.cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    made.user_id, made.session_id = found["user"]["id"], found["session"]["id"]
    async with client(made.whole["notifications"]) as channel:
        for number in range(NOTIFICATIONS):
            told = Notification(user_id=made.user_id, title=f"Number {number}", message="Something has happened.")
            await NotificationServiceStub(channel).CreateNotification(CreateNotificationRequest(notification=told))
