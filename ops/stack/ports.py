"""Chooses the ports of a stack."""

import random
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from errno import EACCES, EADDRINUSE

from ops.errors import CommandFailed, WrongSettings
from ops.keys.pair_keys import SERVICES
from ops.settings import StackSettings
from runtime.listening import socket_address

STORES_HOST = "127.0.0.1"
"""Where the embedded stores listen, whatever TRIVET_HOST is: only this stack uses them."""
LOWEST = 10_000
EPHEMERAL = 32_768
"""The first ephemeral port of Linux by default."""


@dataclass(frozen=True)
class Ports:
    """The ports of all processes. All are different."""

    http: int
    services: dict[str, int]
    metrics: dict[str, int]
    """The gateway's port is that of its first worker. Those of further workers follow it."""
    stores: dict[str, int]
    backup_metrics: int
    """The port of /metrics of the process that makes the backups."""
    moved: dict[str, tuple[int, int]]
    """Services whose default port was in use: that port, and the free one instead."""


def is_free(host: str, port: int) -> bool:
    """Whether nothing listens on a port. Raises WrongSettings if this machine does not have the host's address."""
    try:
        family, address = socket_address(host, port)
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno in (EADDRINUSE, EACCES):
            return False
        raise WrongSettings(f"TRIVET_HOST is {host!r}, where this machine cannot listen: {error.strerror}") from None
    return True


def free_run(host: str, count: int, without: Collection[int] = ()) -> int:
    """Return the first of `count` successive ports that nothing listens on now, none of them in `without`.

    They are free on `host` and on the host of the embedded stores.
    They are below those that the kernel gives to connections: a connection could take one before its server does.
    """
    hosts = {host, STORES_HOST}
    while True:
        first = random.randrange(LOWEST, EPHEMERAL - count)  # noqa: S311  # spreads stacks, guards nothing
        run = range(first, first + count)
        if all(port not in without and is_free(each, port) for port in run for each in hosts):
            return first


def choose(settings: StackSettings) -> Ports:
    """Choose every port. Raises WrongSettings for one port in two settings, CommandFailed for ports in use.

    A service's default port that is taken gives way to a free one in development.
    """
    asked = {name: getattr(settings, f"{name}_port") for name in ("http", *SERVICES)}
    given = settings.model_fields_set
    yielding = [name for name in SERVICES if f"{name}_port" not in given and not settings.is_production]
    firm = {name: port for name, port in asked.items() if port and name not in yielding}
    _refuse_doubles(firm)
    _refuse_taken(settings.host, firm)
    count = 3 * len(SERVICES) + 3
    first = free_run(settings.host, count + settings.gateway_workers, without=asked.values())
    spare = iter(range(first, first + count))
    moved, services = {}, {}
    for name in SERVICES:
        wanted = asked[name]
        if name in yielding and (wanted in firm.values() or not is_free(settings.host, wanted)):
            moved[name] = (wanted, next(spare))
        services[name] = moved[name][1] if name in moved else wanted or next(spare)
    return Ports(
        http=asked["http"] or next(spare),
        services=services,
        metrics={
            **{name: next(spare) for name in SERVICES},
            "gateway": first + count,
        },
        stores={name: next(spare) for name in ("secantusdb", "valkey")},
        backup_metrics=next(spare),
        moved=moved,
    )


def _refuse_doubles(asked: Mapping[str, int]) -> None:
    """Raise WrongSettings that names all settings with one port."""
    by_port = {port: [_variable(name) for name, other in asked.items() if other == port] for port in asked.values()}
    lines = [f"{' and '.join(names)} are both {port}" for port, names in by_port.items() if len(names) > 1]
    if lines:
        raise WrongSettings(f"{'; '.join(lines)}: give each a port of its own (0 finds a free one)")


def _refuse_taken(host: str, asked: Mapping[str, int]) -> None:
    """Raise CommandFailed that names all ports in use and their settings."""
    taken = [f"port {port} of {_variable(name)}" for name, port in asked.items() if not is_free(host, port)]
    if taken:
        raise CommandFailed(
            f"{', '.join(taken)} is taken: stop what listens there, or set another port (0 finds a free one)"
        )


def _variable(name: str) -> str:
    return f"TRIVET_{name.upper()}_PORT"
