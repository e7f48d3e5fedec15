"""The address that a request comes from, believed only as far as our own proxies vouch for it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(scope: Scope, trusted_proxies: Sequence[Network]) -> str:
    """Return the client's address; empty if it is unknown.

    X-Forwarded-For is read from right to left, each hop only if the one after it is a trusted proxy.
    """
    current = _parse(scope["client"][0] if scope.get("client") else "")
    if current is None or not _is_trusted(current, trusted_proxies):
        return str(current or "")
    for hop in reversed(_forwarded(scope)):
        address = _parse(hop)
        if address is None:
            break
        current = address
        if not _is_trusted(address, trusted_proxies):
            break
    return str(current)


def limit_subject(address: str) -> str:
    """Return what a rate limit counts for an address: an IPv6 client owns its whole /64."""
    parsed = _parse(address)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def _forwarded(scope: Scope) -> list[str]:
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [hop.strip() for line in lines for hop in line.split(",")]


def _parse(text: str) -> Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # some proxies add the port
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
