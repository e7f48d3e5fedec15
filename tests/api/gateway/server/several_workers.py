"""A gateway of several workers on one port, and clients that load it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ops.stack.ports import free_run
from tests.api.gateway.conftest import Gateway, running
from tests.api.gateway.stand_ins import StandIns
from tests.api.gateway.wire import head
from tests.harness.metrics import metric
from tests.harness.stack import descendants
from tests.harness.waiting import end_all, until

WORKERS = 2
CLIENTS = 12
REQUEST = head("GET", "/healthz")
BODY = b'{"status":"ok"}'


class Load:
    """Clients that ask as fast as they are answered; half of them open a connection for every request."""

    def __init__(self, port: int) -> None:
        self.answered = self.refused = 0
        self.lost: Counter[str] = Counter()
        self._port = port
        self._tasks = [asyncio.create_task(self._ask(keeps=bool(each % 2))) for each in range(CLIENTS)]

    async def _ask(self, *, keeps: bool) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:  # nobody listens any more
                self.refused += 1
                await asyncio.sleep(0.01)
                continue
            try:
                while await self._answer(reader, writer) and keeps:
                    continue
            except (OSError, EOFError) as error:
                self.lost[type(error).__name__] += 1
            finally:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Ask once; return whether the connection may be used again."""
        writer.write(REQUEST)
        lines = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(len(BODY))
        assert lines.startswith(b"http/1.1 200 ")
        self.answered += 1
        return b"connection: close" not in lines

    async def more(self, count: int = 200) -> None:
        """Wait until so many more are answered."""
        wanted = self.answered + count
        await until(lambda: self.answered >= wanted, 30)

    async def end(self) -> None:
        await end_all(self._tasks)


@asynccontextmanager
async def loaded(port: int) -> AsyncIterator[Load]:
    load = Load(port)
    try:
        await load.more()
        yield load
    finally:
        await load.end()


class Several:
    """A gateway of several workers: their processes, and what each tells."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    @property
    def pids(self) -> set[int]:
        every = descendants(self.gateway.process.popen.pid)
        return {pid for pid, command in every.items() if "gateway.server.worker" in command}

    async def told(self, name: str) -> list[float]:
        """Return what each worker says of a metric, -1 for one that does not answer."""
        values = []
        for place in range(WORKERS):
            value = -1.0
            with suppress(Exception):
                value = await metric(self.gateway.metrics_port + place, name)
            values.append(value)
        return values

    async def are_up(self) -> bool:
        return len(self.pids) == WORKERS and -1.0 not in await self.told("trivet_http_in_flight")

    async def all_serve(self) -> bool:
        """Whether each has answered a request, under load: /metrics is there before the worker accepts connections."""
        return len(self.pids) == WORKERS and min(await self.told("trivet_http_requests_total")) > 0


@asynccontextmanager
async def several(stand_ins: StandIns, **extra: str) -> AsyncIterator[Several]:
    ports = {"TRIVET_GATEWAY_WORKERS": str(WORKERS), "TRIVET_METRICS_PORT": str(free_run("127.0.0.1", WORKERS))}
    async with running(stand_ins, **ports, **extra) as gateway:
        gateway.metrics_port = int(ports["TRIVET_METRICS_PORT"])
        workers = Several(gateway)
        await until(workers.are_up, 30)
        yield workers
