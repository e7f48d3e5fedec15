"""Addresses that providers vouch for and people could not sign up with here, on every engine."""

from dataclasses import replace

import pytest

from services.identity.sessions.session import Origin
from tests.conformance.identity.oauth.conftest import Doors, begun
from tests.oauth.provider import Provider

HERE = Origin("10.0.0.1", "tests")


@pytest.mark.parametrize("address", ["r&d@x.io", "root@localhost", "X@München.example", "x@example.xn--p1ai"])
async def test_who_has_an_unusual_address_at_a_provider_is_signed_in(
    doors: Doors, provider: Provider, address: str
) -> None:
    """B10."""
    provider.person = replace(provider.person, email=address)
    async with doors.open() as oauth:
        ended = await oauth.redirect_flow.complete(await begun(oauth.redirect_flow, provider), HERE)
        again = await oauth.redirect_flow.complete(await begun(oauth.redirect_flow, provider), HERE)
    assert ended.error == again.error == ""
    assert ended.signed_in is not None
    assert again.signed_in is not None
    assert (ended.signed_in.created, again.signed_in.created) == (True, False)
    assert ended.signed_in.user.email == address.lower()


@pytest.mark.parametrize("address", ["ann", "ann@x.io\r\nBcc: bob@x.io", "ann@x.io,bob@x.io", "<ann@x.io>"])
async def test_what_is_no_address_signs_nobody_in(doors: Doors, provider: Provider, address: str) -> None:
    provider.person = replace(provider.person, email=address)
    async with doors.open() as oauth:
        ended = await oauth.redirect_flow.complete(await begun(oauth.redirect_flow, provider), HERE)
    assert ended.error == "email_not_found"
