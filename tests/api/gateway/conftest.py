"""A gateway process in front of services that the test scripts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr

from gateway.backends import open_backends
from gateway.deps import Deps
from gateway.http.access_log import AccessLogWriter
from gateway.http.origins import Origins
from gateway.settings import GatewaySettings
from ops.keys.pair_keys import pair_key
from runtime.settings import Keys
from tests.api.gateway.sessions.session_scene import Scene, client, holding, session
from tests.api.gateway.stand_ins import SERVED, StandIns, standing_in
from tests.harness.clients import UNLIMITED
from tests.harness.ports import free_port
from tests.harness.processes import SECRET, Process, process
from trivet.client import NearCache
from trivet.client.near import near_cache

PAGE = "https://app.example.com"


@pytest.fixture(autouse=True)
def _answers_are_described() -> None:
    """Not here: the services are stand-ins, which answer and refuse whatever a test scripts."""


class Gateway:
    """A running gateway, how to speak HTTP to it, and the services behind it."""

    def __init__(self, running: Process, stand_ins: StandIns, http: httpx.AsyncClient, metrics_port: int) -> None:
        self.process = running
        self.services = stand_ins
        self.http = http
        self.metrics_port = metrics_port

    @property
    def port(self) -> int:
        return self.process.port

    async def metric(self, name: str) -> float:
        """Return the sum of a metric's samples over all labels."""
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"http://127.0.0.1:{self.metrics_port}/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


@asynccontextmanager
async def running(stand_ins: StandIns, **extra: str) -> AsyncIterator[Gateway]:
    """Run a gateway over the stand-ins. It is ended from a thread: its last log entries need this loop."""
    metrics_port = free_port()
    given = {
        **stand_ins.addresses,
        "TRIVET_TRUSTED_ORIGINS": f"{PAGE},https://*.example.org",
        "TRIVET_METRICS_PORT": str(metrics_port),
        **UNLIMITED,  # a count is one more RPC, and the tests say what each of the stand-ins was asked for
        **extra,
    }
    manager = process("gateway", port=None, wait=True, **given)
    started = await asyncio.to_thread(manager.__enter__)
    try:
        async with httpx.AsyncClient(base_url=f"http://{started.address}", timeout=20) as http:
            yield Gateway(started, stand_ins, http, metrics_port)
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


@pytest.fixture(scope="package")
async def stand_ins() -> AsyncIterator[StandIns]:
    async with standing_in() as services:
        yield services


@pytest.fixture(scope="package")
async def shared_gateway(stand_ins: StandIns) -> AsyncIterator[Gateway]:
    async with running(stand_ins) as gateway:
        yield gateway


@pytest.fixture
async def gateway(shared_gateway: Gateway) -> Gateway:
    """The gateway that the suite shares, its services at ease."""
    shared_gateway.services.reset()
    return shared_gateway


@pytest.fixture
async def http(gateway: Gateway) -> httpx.AsyncClient:
    return gateway.http


@pytest.fixture
async def services(gateway: Gateway) -> StandIns:
    return gateway.services


@pytest.fixture(params=["ahead", "loop"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def scene(stand_ins: StandIns, way: str, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """One that is warm; parametrized by settings."""
    stand_ins.reset()
    stand_ins.answers["Get"] = holding(session())
    keys = Keys({name: pair_key(SECRET, "gateway", name) for name in SERVED})
    given = {name.removeprefix("TRIVET_").lower(): value for name, value in stand_ins.addresses.items()}
    given |= getattr(request, "param", {})
    settings = GatewaySettings(secret=SecretStr(SECRET), call_keys=keys, trusted_origins=(PAGE,), **given)  # type: ignore[arg-type]  # texts
    near = NearCache()
    near.reset(near_cache.StreamPosition("e", 0))
    near.tick_echoed(near.monotonic() + 3_600)
    async with open_backends(settings) as backends:
        deps = Deps(
            settings=settings,
            backends=backends,
            origins=Origins(settings),
            access_log=AccessLogWriter(backends.logs),
            near=near,
        )
        async with client(deps, way) as http:
            yield await Scene(http, stand_ins, near, deps).warmed()
