"""Two replicas of each of our processes on the same stores, as a deployment runs them, and a balancer before them."""

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx

from services.identity.store.schema.migrate import upgrade
from tests.harness.clients import LIMITED, another_client
from tests.harness.metrics import metric
from tests.harness.people import new_email, sign_in, sign_up
from tests.harness.ports import free_port
from tests.harness.processes import Process, process, wait_until_up
from tests.harness.waiting import end_all, until
from tests.harness.whole import SERVICES, Stores

REPLICAS = 2
NAMES = ("cache", "notifications", "identity", "gateway")
"""The order of an upgrade: what is called comes before what calls it."""
PROBE_SECONDS = 0.05
DRAIN_SECONDS = "1"
SITE = "http://app.example.com"


class Replicas:
    """The running processes, by name."""

    def __init__(self) -> None:
        self.processes: dict[str, list[Process]] = {}
        self.metrics_ports: dict[int, int] = {}

    @property
    def gateways(self) -> list[str]:
        return [f"http://{gateway.address}" for gateway in self.processes["gateway"]]

    async def restart(self, replica: Process) -> None:
        """Stop a replica by SIGTERM and start it again. Returns when it serves, to all clients that it had."""
        clients = await self._clients(replica)
        replica.signal(signal.SIGTERM)
        assert await asyncio.to_thread(replica.popen.wait, 20) == 0, replica.output()[-2000:]
        replica.start()
        await asyncio.to_thread(wait_until_up, replica)
        await until(lambda: self._has_clients(replica, clients), 30)

    async def _clients(self, replica: Process) -> float:
        return await metric(self.metrics_ports[replica.port], "trivet_rpc_clients")

    async def _has_clients(self, replica: Process, count: float) -> bool:
        return await self._clients(replica) >= count


@contextmanager
def replicas(stores: Stores, **extra: str) -> Iterator[Replicas]:
    """Migrate, run two replicas of each process that know all replicas of each service, and end them afterwards."""
    upgrade(stores.sql)
    ports = {name: [free_port() for _ in range(REPLICAS)] for name in NAMES}
    targets = {name: ",".join(f"127.0.0.1:{port}" for port in ports[name]) for name in SERVICES}
    given: dict[str, Any] = {
        **LIMITED,
        **{f"TRIVET_{name.upper()}_ADDRESS": f"ipv4:{target}" for name, target in targets.items()},
        "DATABASE_URL": stores.sql,
        "MONGODB_URI": stores.mongodb,
        "REDIS_URL": stores.redis,
        "TRIVET_BASE_URL": SITE,
        "TRIVET_DRAIN_SECONDS": DRAIN_SECONDS,
        **extra,
    }
    running = Replicas()
    with ExitStack() as stack:
        for name in NAMES:
            running.processes[name] = []
            for port in ports[name]:
                running.metrics_ports[port] = free_port()
                given["TRIVET_METRICS_PORT"] = str(running.metrics_ports[port])
                running.processes[name].append(stack.enter_context(process(name, port=port, **given)))
        yield running


class Balancer(httpx.AsyncBaseTransport):
    """Sends each request to a gateway whose /readyz answers 200, as a load balancer does. It retries nothing."""

    def __init__(self, gateways: list[str]) -> None:
        self._gateways = gateways
        self._ready: set[str] = set()
        self._turn = itertools.count()
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        ready = sorted(self._ready)
        gateway = ready[next(self._turn) % len(ready)]
        headers = httpx.Headers(request.headers)
        headers["x-forwarded-for"] = another_client()
        url = request.url.copy_with(host="127.0.0.1", port=httpx.URL(gateway).port)
        # A copy: httpx keeps cookies by the address of the request, which is the site's.
        return await self._inner.handle_async_request(
            httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)
        )

    async def close(self) -> None:
        """Close the connections. The people, who share them, close nothing when they go."""
        await self._inner.aclose()

    def has(self, gateway: str) -> bool:
        return gateway in self._ready

    async def watch(self) -> None:
        """Probe the gateways until the task is cancelled."""
        async with httpx.AsyncClient(timeout=5) as http:
            while True:
                for gateway in self._gateways:
                    try:
                        is_ready = (await http.get(f"{gateway}/readyz")).status_code == 200
                    except httpx.HTTPError:
                        is_ready = False
                    (self._ready.add if is_ready else self._ready.discard)(gateway)
                await asyncio.sleep(PROBE_SECONDS)


class Load:
    """People who sign up, sign in, check their session and read and write, all at the same time."""

    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []

    async def person(self) -> None:
        async with httpx.AsyncClient(
            base_url=SITE, headers={"origin": SITE}, transport=self.balancer, timeout=15
        ) as client:
            while True:
                email = new_email()
                self._note("sign up", await self._answer(sign_up(client, email)))
                for number in range(5):
                    self._note("session", await self._answer(client.get("/api/auth/get-session")))
                    self._note("unread", await self._answer(client.get("/v1/notifications:countUnread")))
                    renaming = client.post("/api/auth/update-user", json={"name": f"Ada {number}"})
                    self._note("rename", await self._answer(renaming))
                self._note("sign out", await self._answer(client.post("/api/auth/sign-out", json={})))
                self._note("sign in", await self._answer(sign_in(client, email)))

    async def _answer(self, asking: Any) -> str:
        try:
            answer: httpx.Response = await asking
        except httpx.HTTPError as error:
            return repr(error)
        if answer.status_code != 200 or answer.text == "null":
            return f"{answer.status_code} {answer.text[:200]}"
        return ""

    def _note(self, name: str, failure: str) -> None:
        if failure:
            self.failed.append(f"{name}: {failure}")
        else:
            self.done[name] += 1

    async def more(self, rounds: int = 10) -> None:
        """Wait until more people have signed in."""
        wanted = self.done["sign in"] + rounds
        await until(lambda: self.done["sign in"] >= wanted or bool(self.failed), 60)


@asynccontextmanager
async def people(running: Replicas, count: int) -> AsyncIterator[Load]:
    """Run the load inside the block, over the gateways that are ready."""
    balancer = Balancer(running.gateways)
    load = Load(balancer)
    tasks = [asyncio.create_task(balancer.watch())]
    try:
        await until(lambda: all(map(balancer.has, running.gateways)), 30)
        tasks += [asyncio.create_task(load.person()) for _ in range(count)]
        await load.more()
        yield load
    finally:
        await end_all(tasks)
        await balancer.close()
