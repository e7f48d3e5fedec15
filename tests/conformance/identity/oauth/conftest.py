"""The oauth of signing in at providers on each engine, with a provider of the tests' own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import select

from runtime.clock import utc_now
from runtime.sealing import Sealer
from services.identity import schema
from services.identity.oauth.config import OAuthConfig
from services.identity.oauth.flows.account_linking import AccountLinking, ProviderAssertion
from services.identity.oauth.flows.redirect_flow import AuthorizationRequest, Callback, RedirectFlow
from services.identity.oauth.linked_accounts import LinkedAccounts, ProviderIdentity
from services.identity.oauth.providers.catalog import ClientRegistration, openid_provider
from services.identity.oauth.providers.profiles import Profile
from services.identity.oauth.providers.settings import OAuthRules
from services.identity.oauth.tokens import Tokens
from services.identity.oauth.wiring import OAuth, open_oauth
from services.identity.outbox.audit import Audit
from tests.conformance.identity.conftest import Identity
from tests.oauth.provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider

ISSUER = "https://id.example.com"
KEY, OLD_KEY = b"k" * 32, b"o" * 32


@pytest.fixture(scope="session")
def running() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.reset()
    running.person = replace(running.person, sub="1", email="ann@x.io", email_verified=True)
    return running


@dataclass
class Doors:
    """Identity on one database, and the ways in by a provider."""

    identity: Identity
    provider: Provider
    sealer: Sealer = field(default_factory=lambda: Sealer([KEY]))

    def linked(self) -> LinkedAccounts:
        return LinkedAccounts(self.identity.stores, self.sealer)

    def entrances(self, rules: OAuthRules | None = None) -> AccountLinking:
        return AccountLinking(self.identity.stores, linked=self.linked(), rules=rules or OAuthRules())

    @asynccontextmanager
    async def open(self, rules: OAuthRules | None = None, *, grace: float = 0) -> AsyncIterator[OAuth]:
        """Open everything, as a process does."""
        config = OAuthConfig(
            providers=[
                openid_provider("acme", ClientRegistration(CLIENT_ID, CLIENT_SECRET, issuer=self.provider.issuer))
            ],
            rules=rules or OAuthRules(),
            base_url="http://localhost:3999",
            loopback=True,
            grace_seconds=grace,
        )
        # The provider signs at the real time.
        stores = replace(self.identity.stores, now=utc_now)
        async with open_oauth(stores, self.sealer, config) as oauth:
            yield oauth

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        found = await self.identity.database.rows("tests.rows", select(table))
        return [dict(row._mapping) for row in found]

    async def events(self) -> list[str]:
        return [row["payload"] for row in await self.rows(schema.outbox) if row["topic"] == "audit.record"]

    def _audit(self) -> Audit:
        return Audit(self.identity.database, self.identity.outbox, now=self.identity.clock)


@pytest.fixture
async def doors(identity: Identity, provider: Provider) -> Doors:
    return Doors(identity, provider)


def vouched(
    account_id: str = "1", *, email: str = "ann@x.io", verified: bool = True, name: str = "acme", **tokens: Any
) -> ProviderAssertion:
    """Return what a provider vouches for."""
    profile = Profile(account_id, email, verified, "Ann", None, {})
    given = Tokens(**({"access_token": "access", "scopes": ("openid",)} | tokens))
    return ProviderAssertion(ProviderIdentity(name, ISSUER, account_id), profile, given)


def consent(provider: Provider, page: str) -> Callback:
    """Go through the provider's page; return what it sends the browser back with."""
    asked = dict(parse_qsl(urlsplit(page).query))
    back = dict(parse_qsl(urlsplit(provider.authorize(asked)).query))
    return Callback("acme", back["state"], back["state"], back.get("code", ""), back.get("iss", ""))


async def begun(flow: RedirectFlow, provider: Provider, **wish: Any) -> Callback:
    page, _ = await flow.begin(AuthorizationRequest("acme", **({"callback_url": "/in"} | wish)))
    return consent(provider, page)
