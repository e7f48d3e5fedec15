"""Addresses that a process listens on: a host name, an IPv4 address or an IPv6 address, with a port."""

import socket
from typing import Any


def authority(host: str, port: int) -> str:
    """Return HOST:PORT as URLs and gRPC write it: an IPv6 address stands in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def socket_address(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Return the address family and the address to bind. Raises OSError for an unknown host."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, address
