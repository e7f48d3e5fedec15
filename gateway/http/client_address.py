"""The client's address: X-Forwarded-For counts only behind trusted proxies."""

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from socket import AF_INET, inet_pton

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(scope: Scope, trusted_proxies: Sequence[Network]) -> str:
    """Return the client's address; empty if it is unknown.

    X-Forwarded-For is read from right to left, each hop only if the one after it is a trusted proxy.
    """
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return forwarded_for(peer_of(scope), lines, trusted_proxies)


def peer_of(scope: Scope) -> str:
    """Return the address at the other end of the connection; empty if it is unknown."""
    client = scope.get("client")
    return client[0] if client else ""


def forwarded_for(peer: str, lines: Sequence[bytes], trusted_proxies: Sequence[Network]) -> str:
    """Return the client's address behind a peer, by the values of the X-Forwarded-For headers."""
    current = _parse(peer)
    if current is None or not _is_trusted(current, trusted_proxies):
        return str(current or "")
    for hop in reversed([hop.strip() for line in lines for hop in line.decode("latin-1").split(",")]):
        address = _parse(hop)
        if address is None:
            break
        current = address
        if not _is_trusted(address, trusted_proxies):
            break
    return str(current)


def limit_subject(address: str) -> str:
    """Return what a rate limit counts for an address: for IPv6 the /64, which one client owns."""
    parsed = _parse(address) if ":" in address else None
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def _parse(text: str) -> Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # some proxies add the port
        text = text.partition(":")[0]
    with suppress(OSError, ValueError):  # as strict as ipaddress, and several times faster
        return IPv4Address(inet_pton(AF_INET, text))
    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address


def _is_trusted(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
