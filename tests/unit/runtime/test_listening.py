"""Addresses to listen on: IPv6 beside IPv4 and names."""

import socket

import pytest

from runtime.listening import authority, socket_address


@pytest.mark.parametrize(
    ("host", "written"),
    [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("::", "[::]:80"), ("localhost", "localhost:80")],
)
def test_an_ipv6_address_stands_in_brackets(host: str, written: str) -> None:
    assert authority(host, 80) == written


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("::", socket.AF_INET6)]
)
def test_a_socket_of_the_address_can_be_bound(host: str, family: socket.AddressFamily) -> None:
    found, address = socket_address(host, 0)
    assert found == family
    with socket.socket(found) as probe:
        probe.bind(address)


def test_an_unknown_host_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match=r"not known|No address"):
        socket_address("no-such-host.invalid", 80)
