"""Starts and ends the testbed: Trivet on real stores, bare servers, other products, and a signed-up user."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bench.attempts import Attempts
from bench.load.generator import Generator
from bench.peers import kratos
from bench.peers.peer import PEER_KINDS, peer
from bench.testbed.testbed import GET_SESSION, USER, Testbed
from tests.harness.clients import UNLIMITED
from tests.harness.ports import free_port
from tests.harness.processes import Process, client, process
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine, MissingEngineError, wait_for_port
from tests.harness.whole import Stores, Whole, whole
from trivet.notifications.v1.notification_service_pb2 import CreateNotificationRequest, Notification
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub

NOTIFICATIONS = 20
TRACE_RATIO = 0.01

Starter = Callable[[], AbstractContextManager[Engine]]


@contextmanager
def started(attempts: Attempts, *, embedded: bool, peers: bool = False) -> Iterator[Testbed]:
    """Start all processes, and end them after the block. `embedded` uses SQLite and Valkey, which start at once.

    `peers` starts other products too. One that fails is left out, and `attempts` has the reason.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="trivet-bench-")))
        found = {name: _engine(stack, *kinds) for name, kinds in (EMBEDDED if embedded else REAL).items()}
        sql = found["sql"].url if found["sql"] else f"sqlite:///{folder / 'trivet.db'}"
        stores = Stores(sql, _url(found["mongodb"]), _url(found["redis"]))
        running = stack.enter_context(whole(stores, TRIVET_LOG_LEVEL="WARNING"))
        pids = {name: process.popen.pid for name, process in running.processes.items()}
        started = {kind: engine for kind, engine in found.items() if engine and engine.process}
        store_pids = {kind: engine.process.pid for kind, engine in started.items() if engine.process}
        pids |= {engine.name: store_pids[kind] for kind, engine in started.items()}
        testbed = Testbed(running, stores, stack.enter_context(Generator()), pids, store_pids)
        asyncio.run(_sign_up_user(testbed))
        for name, arguments in {"http": (), "asgi": (), "rpc": (), "get": (stores.redis,)}.items():
            stack.enter_context(_bare(testbed, name, folder, *arguments))
        with attempts.at("starting a second gateway"):
            testbed.other_gateway = stack.enter_context(_gateway(testbed, "other gateway"))
        with attempts.at("starting a gateway without limits"):
            testbed.unlimited = stack.enter_context(_gateway(testbed, "gateway without limits", **UNLIMITED))
        with attempts.at("starting a traced stack"):
            testbed.traced = stack.enter_context(_traced(testbed))
        for kind in PEER_KINDS if peers else ():
            with attempts.at(f"starting {kind.name}"):
                one = stack.enter_context(peer(kind, sql, stores.redis, USER, testbed.token, folder))
                testbed.peers[kind.name], testbed.pids[kind.name] = one, one.pid
        if peers:
            with attempts.at(f"starting {kratos.NAME}"):
                database = stack.enter_context(engines.postgresql())
                another = stack.enter_context(kratos.peer(database.url, USER, folder))
                testbed.peers[kratos.NAME], testbed.pids[kratos.NAME] = another, another.pid
                if database.process is not None:
                    testbed.pids[database.name] = database.process.pid
        yield testbed


REAL: dict[str, tuple[Starter, ...]] = {
    "sql": (engines.mariadb,),
    "mongodb": (engines.secantusdb,),
    "redis": (engines.redis, engines.valkey),
}
EMBEDDED: dict[str, tuple[Starter, ...]] = {"sql": (), "mongodb": (engines.secantusdb,), "redis": (engines.valkey,)}


def _engine(stack: ExitStack, *starters: Starter) -> Engine | None:
    """Start the first engine that is installed."""
    for starter in starters:
        try:
            return stack.enter_context(starter())
        except MissingEngineError:
            continue
    return None


def _url(engine: Engine | None) -> str:
    if engine is None:
        raise SystemExit("bench: the embedded stores are not installed: run `make install`")
    return engine.url


@contextmanager
def _bare(testbed: Testbed, name: str, folder: Path, *arguments: str) -> Iterator[None]:
    """Run a bare server on a free port."""
    port, log = free_port(), folder / f"bare-{name}.log"
    command = [sys.executable, "-m", f"bench.bare.{name}", str(port), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for_port(port, process, log)
        testbed.bare[name], testbed.pids[f"bare {name}"] = port, process.pid
        yield
    finally:
        engines.end(process)


@contextmanager
def _gateway(testbed: Testbed, name: str, **extra: str) -> Iterator[Process]:
    """Run another gateway on the same services."""
    port, first = free_port(), testbed.whole["gateway"].environment
    ports = {"TRIVET_HTTP_PORT": str(port), "TRIVET_METRICS_PORT": str(free_port())}
    environment: dict[str, Any] = {**first, **ports, **extra}
    with process("gateway", port=port, **environment) as another:
        testbed.pids[name] = another.popen.pid
        yield another


@contextmanager
def _traced(testbed: Testbed) -> Iterator[Whole]:
    """Run a gateway and a cache that trace 1 % of requests, with a collector that drops the spans."""
    environment = {
        "TRIVET_LOG_LEVEL": "WARNING",
        "TRIVET_TRACE_RATIO": str(TRACE_RATIO),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{testbed.bare['rpc']}",
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        **{f"TRIVET_{name.upper()}_ADDRESS": testbed.whole[name].address for name in ("identity", "notifications")},
    }
    with whole(testbed.stores, "cache", "gateway", **environment) as traced:
        testbed.pids |= {f"traced {name}": process.popen.pid for name, process in traced.processes.items()}
        yield traced


async def _sign_up_user(testbed: Testbed) -> None:
    """Sign the test user up, and create 20 notifications."""
    url = testbed.whole.url
    async with httpx.AsyncClient(base_url=url, headers={"origin": url}, timeout=30) as browser:
        (await browser.post("/api/auth/sign-up/email", json=USER)).raise_for_status()
        found = (await browser.get(GET_SESSION)).json()
        testbed.cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    testbed.user_id, testbed.session_id = found["user"]["id"], found["session"]["id"]
    testbed.token = found["session"]["token"]
    async with client(testbed.whole["notifications"]) as channel:
        for number in range(NOTIFICATIONS):
            new = Notification(user_id=testbed.user_id, title=f"Number {number}", message="Something has happened.")
            await NotificationServiceStub(channel).CreateNotification(CreateNotificationRequest(notification=new))
