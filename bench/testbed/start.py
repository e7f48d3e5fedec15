"""Starts what is measured, and ends it: Trivet on real stores, bare servers and others' beside it, and a person."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bench.attempts import Attempts
from bench.load.generator import Generator
from bench.peers import kratos
from bench.peers.peer import KINDS, peer
from bench.testbed.testbed import GET_SESSION, PERSON, Scene
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


@contextmanager
def scene(attempts: Attempts, *, embedded: bool, peers: bool = False) -> Iterator[Scene]:
    """Start it all, and end it afterwards. `embedded` leaves the big servers out: SQLite and Valkey start at once.

    `peers` has the others' servers run beside it; those that cannot are left out, and `attempts` says why.
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
        made = Scene(running, stores, stack.enter_context(Generator()), pids, store_pids)
        asyncio.run(_furnish(made))
        for name, arguments in {"http": (), "asgi": (), "rpc": (), "get": (stores.redis,)}.items():
            stack.enter_context(_bare(made, name, folder, *arguments))
        with attempts.at("starting a second gateway"):
            made.other_gateway = stack.enter_context(_gateway(made, "other gateway"))
        with attempts.at("starting a gateway without limits"):
            made.unlimited = stack.enter_context(_gateway(made, "gateway without limits", **UNLIMITED))
        with attempts.at("starting a traced stack"):
            made.traced = stack.enter_context(_traced(made))
        for kind in KINDS if peers else ():
            with attempts.at(f"starting {kind.name}"):
                one = stack.enter_context(peer(kind, sql, stores.redis, PERSON, made.token, folder))
                made.peers[kind.name], made.pids[kind.name] = one, one.pid
        if peers:
            with attempts.at(f"starting {kratos.NAME}"):
                database = stack.enter_context(engines.postgresql())
                another = stack.enter_context(kratos.peer(database.url, PERSON, folder))
                made.peers[kratos.NAME], made.pids[kratos.NAME] = another, another.pid
                if database.process is not None:
                    made.pids[database.name] = database.process.pid
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
def _bare(made: Scene, name: str, folder: Path, *arguments: str) -> Iterator[None]:
    """Run a bare server on a free port."""
    port, log = free_port(), folder / f"bare-{name}.log"
    command = [sys.executable, "-m", f"bench.bare.{name}", str(port), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for_port(port, process, log)
        made.bare[name], made.pids[f"bare {name}"] = port, process.pid
        yield
    finally:
        engines.end(process)


@contextmanager
def _gateway(made: Scene, name: str, **extra: str) -> Iterator[Process]:
    """Run one more gateway on the same services."""
    port, first = free_port(), made.whole["gateway"].environment
    ports = {"TRIVET_HTTP_PORT": str(port), "TRIVET_METRICS_PORT": str(free_port())}
    told: dict[str, Any] = {**first, **ports, **extra}
    with process("gateway", port=port, **told) as another:
        made.pids[name] = another.popen.pid
        yield another


@contextmanager
def _traced(made: Scene) -> Iterator[Whole]:
    """Run a gateway and a cache that send the spans of one trace in a hundred to a collector that drops them."""
    told = {
        "TRIVET_LOG_LEVEL": "WARNING",
        "TRIVET_TRACE_RATIO": str(TRACE_RATIO),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{made.bare['rpc']}",
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        **{f"TRIVET_{name.upper()}_ADDRESS": made.whole[name].address for name in ("identity", "notifications")},
    }
    with whole(made.stores, "cache", "gateway", **told) as traced:
        made.pids |= {f"traced {name}": process.popen.pid for name, process in traced.processes.items()}
        yield traced


async def _furnish(made: Scene) -> None:
    """Sign the person up, and tell them 20 things."""
    async with httpx.AsyncClient(base_url=made.whole.url, headers={"origin": made.whole.url}, timeout=30) as browser:
        (await browser.post("/api/auth/sign-up/email", json=PERSON)).raise_for_status()
        found = (await browser.get(GET_SESSION)).json()
        made.cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    made.user_id, made.session_id = found["user"]["id"], found["session"]["id"]
    made.token = found["session"]["token"]
    async with client(made.whole["notifications"]) as channel:
        for number in range(NOTIFICATIONS):
            told = Notification(user_id=made.user_id, title=f"Number {number}", message="Something has happened.")
            await NotificationServiceStub(channel).CreateNotification(CreateNotificationRequest(notification=told))
