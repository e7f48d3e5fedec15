"""Whose word is taken for where a request comes from."""

from ipaddress import ip_address, ip_network

import pytest
from starlette.types import Scope

from gateway.http.client_address import client_address, limit_subject

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def scope(peer: str, *forwarded: str) -> Scope:
    return {"client": (peer, 1234), "headers": [(b"x-forwarded-for", line.encode()) for line in forwarded]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4, 198.51.100.1, 10.0.0.2",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4, nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("1.2.3.4, nonsense, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1:4711",), "198.51.100.1"),
        ("10.0.0.1", ("[2001:db8::1]:4711",), "2001:db8::1"),
        ("::ffff:10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("fd00::1", ("2001:db8::1",), "2001:db8::1"),
        ("", (), ""),
    ],
)
def test_only_what_our_own_proxies_vouch_for_is_believed(peer: str, forwarded: tuple[str, ...], client: str) -> None:
    """C4, H6: read from right to left, each hop only if the one after it is ours."""
    assert client_address(scope(peer, *forwarded), PROXIES) == client


@pytest.mark.parametrize(
    "hop",
    [
        *("0.0.0.0", "255.255.255.255", "256.1.1.1", "01.2.3.4", "1.2.3.04", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3"),
        *("0x7f.0.0.1", "2130706433", "127.1", "+1.2.3.4", "1.2.3.4/24", "1.2. 3.4", "1.2.3.4\x00", "1.2.3.\xb2"),
        *("::", "::1%eth0", "1::2::3", "::ffff:1.2.3.4", "fe80::1", "12345::", "::1.2.3.04", "", "unknown"),
    ],
)
def test_a_hop_is_an_address_where_the_standard_library_takes_it_for_one(hop: str) -> None:
    try:
        address = ip_address(hop)
    except ValueError:
        expected = "10.0.0.1"
    else:
        expected = str(getattr(address, "ipv4_mapped", None) or address)
    given = {"client": ("10.0.0.1", 1234), "headers": [(b"x-forwarded-for", hop.encode("latin-1"))]}
    assert client_address(given, PROXIES) == expected


def test_without_proxies_nothing_that_a_client_says_counts() -> None:
    assert client_address(scope("203.0.113.9", "127.0.0.1"), []) == "203.0.113.9"


def test_a_whole_ipv6_network_counts_as_one() -> None:
    """H6: whoever owns a /64 may choose among its addresses."""
    assert limit_subject("2001:db8:1:2::5") == limit_subject("2001:db8:1:2:ffff::") == "2001:db8:1:2::/64"
    assert limit_subject("203.0.113.9") == "203.0.113.9"
