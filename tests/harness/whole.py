"""Our four processes together, each told where the others and the stores are."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from services.identity.store.schema.migrate import upgrade
from tests.harness.clients import LIMITED
from tests.harness.ports import free_port
from tests.harness.processes import Process, process

SERVICES = ("identity", "notifications", "cache")


@dataclass(frozen=True)
class Stores:
    """Where the three stores are."""

    sql: str
    mongodb: str
    redis: str


@dataclass
class Whole:
    """Running processes by name, and where each serves /metrics."""

    processes: dict[str, Process] = field(default_factory=dict)
    metrics_ports: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Process:
        return self.processes[name]

    @property
    def url(self) -> str:
        return f"http://{self['gateway'].address}"


@contextmanager
def whole(stores: Stores, *names: str, **extra: str) -> Iterator[Whole]:
    """Migrate, run the processes (all four, or those named) with `extra` in every environment, end them afterwards.

    The rate limits are on, behind a proxy on this machine.
    """
    upgrade(stores.sql)
    ports = {name: free_port() for name in (*SERVICES, "gateway")}
    addresses = {f"TRIVET_{name.upper()}_ADDRESS": f"127.0.0.1:{ports[name]}" for name in SERVICES}
    urls = {"DATABASE_URL": stores.sql, "MONGODB_URI": stores.mongodb, "REDIS_URL": stores.redis}
    running = Whole()
    with ExitStack() as stack:
        for name in names or ports:
            running.metrics_ports[name] = free_port()
            metrics = {"TRIVET_METRICS_PORT": str(running.metrics_ports[name])}
            own = {**LIMITED, "TRIVET_BASE_URL": f"http://127.0.0.1:{ports['gateway']}"}
            given: dict[str, Any] = {**addresses, **urls, **metrics, **own, **extra}
            running.processes[name] = stack.enter_context(process(name, port=ports[name], **given))
        yield running
