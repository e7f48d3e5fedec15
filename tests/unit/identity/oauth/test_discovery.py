"""Metadata and keys as providers publish them, and what of it is not believed."""

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from runtime.background.tasks import Tasks
from services.identity.oauth.errors import BadTokenError, ExchangeError
from services.identity.oauth.providers.catalog import ClientAuth, ClientRegistration, openid_provider
from services.identity.oauth.providers.discovery import Discovery
from services.identity.oauth.providers.http_client import open_provider_http
from services.identity.oauth.providers.id_tokens import IdTokens
from services.identity.oauth.providers.provider_http import ProviderHttp
from tests.oauth.provider import CLIENT_ID, Person, Provider


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.reset()
    running.person = Person("1", "ann@x.io")
    return running


@pytest.fixture
async def http() -> AsyncIterator[ProviderHttp]:
    async with open_provider_http(loopback=True, seconds=2.0) as opened:
        yield opened


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "https://user@evil.example/token"},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
    ],
)
async def test_metadata_of_another_or_without_safe_addresses_is_refused(
    http: ProviderHttp, provider: Provider, metadata: dict[str, object]
) -> None:
    """O3: the metadata's issuer is the configured one."""
    provider.switches.metadata = metadata
    acme = openid_provider("acme", ClientRegistration(CLIENT_ID, "s", issuer=provider.issuer))
    with pytest.raises(ExchangeError):
        await Discovery(http, [acme], Tasks("tests")).resolve(acme)


async def test_what_metadata_says_is_what_is_done(http: ProviderHttp, provider: Provider) -> None:
    acme = openid_provider("acme", ClientRegistration(CLIENT_ID, "s", issuer=f"{provider.issuer}/"))
    ready = await Discovery(http, [acme], Tasks("tests")).resolve(acme)
    assert ready.provider.issuer == provider.issuer
    assert ready.provider.algorithms == ("RS256",)
    assert ready.provider.auth is ClientAuth.BASIC
    assert ready.sends_iss
    provider.switches.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    ready = await Discovery(http, [acme], Tasks("tests")).resolve(acme)
    assert ready.provider.auth is ClientAuth.POST


async def test_plain_http_is_for_this_machine_in_development_alone() -> None:
    async with open_provider_http(loopback=False) as strict, open_provider_http(loopback=True) as lax:
        for url in ("http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x"):
            assert (strict.is_allowed(url), lax.is_allowed(url)) == (False, True)
        odd: list[object] = ["http://example.com", "ftp://127.0.0.1", "https://a@b.com", "https://x/#f", None, 7]
        for other in [*odd, "https://", "x", ""]:
            assert (strict.is_allowed(other), lax.is_allowed(other)) == (False, False)
        with pytest.raises(ExchangeError):
            await strict.get("http://127.0.0.1:1/x")


async def test_a_redirect_is_not_followed(http: ProviderHttp, provider: Provider) -> None:
    with pytest.raises(ExchangeError):
        await http.get(f"{provider.issuer}/auth?response_type=code&client_id={CLIENT_ID}&state=x&redirect_uri=/"
                            "&code_challenge_method=S256&code_challenge=x&scope=x")  # fmt: skip


async def test_a_rotated_key_is_found(http: ProviderHttp, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.identity.oauth.providers.discovery.AGAIN_SECONDS", 0.0)
    acme = openid_provider("acme", ClientRegistration(CLIENT_ID, "s", issuer=provider.issuer))
    issuers = Discovery(http, [acme], Tasks("tests"))
    tokens = IdTokens(issuers)
    ready = await issuers.resolve(acme)
    await tokens.verify(ready, provider.id_token(), nonce="", from_application=True)
    provider.rotate_key()
    assert (await tokens.verify(ready, provider.id_token(), nonce="", from_application=True))["sub"] == "1"
    assert provider.counts["jwks"] == 2


async def test_apples_nonce_may_be_hashed_and_others_not(http: ProviderHttp, provider: Provider) -> None:
    acme = openid_provider("acme", ClientRegistration(CLIENT_ID, "s", issuer=provider.issuer))
    issuers = Discovery(http, [acme], Tasks("tests"))
    ready = await issuers.resolve(acme)
    token = provider.id_token(nonce=hashlib.sha256(b"n").hexdigest())
    with pytest.raises(BadTokenError):
        await IdTokens(issuers).verify(ready, token, nonce="n", from_application=True)
    hashing = replace(ready, provider=replace(ready.provider, is_nonce_hashed=True))
    await IdTokens(issuers).verify(hashing, token, nonce="n", from_application=True)


@pytest.mark.parametrize(("moved", "good"), [(3_600 + 20, True), (3_600 + 40, False), (-20, True), (-40, False)])
async def test_clocks_may_be_half_a_minute_apart(
    http: ProviderHttp, provider: Provider, moved: int, good: bool
) -> None:
    """O3, R28."""
    acme = openid_provider("acme", ClientRegistration(CLIENT_ID, "s", issuer=provider.issuer))
    issuers = Discovery(http, [acme], Tasks("tests"))
    ready = await issuers.resolve(acme)
    now = time.time()
    tokens = IdTokens(issuers, now=lambda: now + moved)
    verifying = tokens.verify(ready, provider.id_token(nonce="n", iat=int(now), exp=int(now) + 3_600), nonce="n")
    if good:
        await verifying
    else:
        with pytest.raises(BadTokenError):
            await verifying
