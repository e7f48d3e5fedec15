"""Addresses as mail servers are given them."""

import pytest

from services.notifications.delivery.email.addresses import wire_address


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("x@münchen.example", "x@xn--mnchen-3ya.example"),
        ("jörg@münchen.example", "jörg@xn--mnchen-3ya.example"),
        ("x@straße.example", "x@xn--strae-oqa.example"),  # IDNA 2008: no other domain than it says
        ("x@BÜCHER.example", "x@xn--bcher-kva.example"),
        ("x@пример.рф", "x@xn--e1afmkfd.xn--p1ai"),
        ("r&d@x.io", "r&d@x.io"),
        ("root@localhost", "root@localhost"),
        ("x@a_b.example", "x@a_b.example"),
        ("x@example.xn--p1ai", "x@example.xn--p1ai"),
    ],
)
def test_a_domain_goes_out_in_a_labels(address: str, wire: str) -> None:
    """B10."""
    assert wire_address(address) == wire


@pytest.mark.parametrize("address", ["x@☃.example", "x@ü..example", "x@-ü.example"])
def test_a_domain_that_no_host_can_have_is_none(address: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wire_address(address)
