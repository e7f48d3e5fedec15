"""Which ports a stack listens on."""

import random
import socket
from dataclasses import dataclass

from ops.errors import Refused
from ops.keys import SERVICES
from ops.settings import StackSettings

LOWEST = 10_000
EPHEMERAL = 32_768
"""Where Linux begins to give ports away, unless it was told otherwise."""


@dataclass(frozen=True)
class Ports:
    """A port for each thing that listens, all different."""

    http: int
    services: dict[str, int]
    metrics: dict[str, int]
    """The gateway's is its first worker's; the others' follow it."""
    stores: dict[str, int]
    moved: dict[str, tuple[int, int]]
    """Services whose default port was taken: that port and the free one instead."""


def is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_run(host: str, count: int) -> int:
    """Return the first of `count` successive ports that nothing listens on now.

    They are below those that the kernel gives to connections: a connection could take one before its server does.
    """
    while True:
        first = random.randrange(LOWEST, EPHEMERAL - count)  # noqa: S311  # spreads stacks, guards nothing
        if all(is_free(host, port) for port in range(first, first + count)):
            return first


def choose(settings: StackSettings) -> Ports:
    """Choose every port. Raises Refused for one that was asked for and is taken.

    A service's default port that is taken gives way to a free one in development.
    """
    count = 3 * len(SERVICES) + 3
    first = free_run(settings.host, count + settings.gateway_workers)
    spare = iter(range(first, first + count))
    moved = {}
    services = {}
    for name in SERVICES:
        wanted: int = getattr(settings, f"{name}_port")
        is_default = f"{name}_port" not in settings.model_fields_set
        if wanted and is_default and not settings.is_production and not is_free(settings.host, wanted):
            moved[name] = (wanted, next(spare))
            services[name] = moved[name][1]
        else:
            services[name] = _take(settings.host, wanted, f"TRIVET_{name.upper()}_PORT") or next(spare)
    return Ports(
        http=_take(settings.host, settings.http_port, "TRIVET_HTTP_PORT") or next(spare),
        services=services,
        metrics={
            **{name: next(spare) for name in SERVICES},
            "gateway": first + count,
        },
        stores={name: next(spare) for name in ("secantusdb", "valkey")},
        moved=moved,
    )


def _take(host: str, port: int, variable: str) -> int:
    if port and not is_free(host, port):
        raise Refused(f"port {port} is taken: stop what listens there, or set {variable} (0 finds a free one)")
    return port
