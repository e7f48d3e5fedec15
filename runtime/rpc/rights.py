"""TRIVET_PROGRAM_RIGHTS: the RPCs that the product's own programs can call."""

import re
from collections.abc import Iterable
from dataclasses import replace

from runtime.rpc.policy import Policy

RIGHT = re.compile(r"(?P<program>[A-Za-z0-9-]+)=(?P<service>[A-Z][A-Za-z0-9]*)/(?P<method>[A-Z][A-Za-z0-9]*|\*)")
SHAPE = "PROGRAM=SERVICE/METHOD by comma, for example `billing=UserService/GetUser,billing=SubscriptionService/*`"


class UnknownRpcError(ValueError):
    """A right names an RPC that its service does not have."""


def checked(rights: tuple[str, ...]) -> tuple[str, ...]:
    """Return the rights. Raises ValueError if one has the wrong form."""
    for right in rights:
        if not RIGHT.fullmatch(right):
            raise ValueError(f"{right!r} is not a right: write {SHAPE}")
    return rights


def unknown(rights: Iterable[str], policy: Policy, programs: Iterable[str]) -> list[str]:
    """Return a line for each right with an unknown program or RPC. `policy` has the rows of all services."""
    known, services, lines = set(programs), {_short(method) for method in policy}, []
    for right in rights:
        match = RIGHT.fullmatch(right)
        assert match is not None, "settings have checked it"
        if match["program"] not in known:
            lines.append(f"{right}: TRIVET_PROGRAMS does not name {match['program']}")
        if match["service"] not in services:
            lines.append(f"{right}: there is no service {match['service']}")
            continue
        try:
            with_rights(policy, [right])
        except UnknownRpcError as error:
            lines.append(str(error))
    return lines


def with_rights(policy: Policy, rights: Iterable[str]) -> Policy:
    """Return the policy in which the rows also name the programs that have a right to them.

    Rights of services that are not in the policy belong to another process. Raises UnknownRpcError for a method that a
    service of the policy does not have.
    """
    granted = dict(policy)
    services = {_short(method) for method in policy}
    for right in rights:
        match = RIGHT.fullmatch(right)
        assert match is not None, "settings have checked it"
        program, service, wanted = match.groups()
        if service not in services:
            continue
        own = [method for method in policy if _short(method) == service]
        methods = [method for method in own if wanted in ("*", method.rpartition("/")[2])]
        if not methods:
            raise UnknownRpcError(f"{right}: {service} has no {wanted}")
        for method in methods:
            granted[method] = replace(granted[method], services=granted[method].services | {program})
    return granted


def _short(method: str) -> str:
    """Return a service's name without its package."""
    return method.rpartition("/")[0].rpartition(".")[2]
