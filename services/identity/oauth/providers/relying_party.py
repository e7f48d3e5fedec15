"""The relying party: authorization URLs, token requests and profiles, for every provider."""

import hashlib
import logging
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from runtime.clock import Clock, utc_now
from runtime.errors import NotFound, Unavailable
from services.identity.oauth.errors import BadTokenError, ExchangeError, OAuthError
from services.identity.oauth.providers.catalog import ClientAuth, Provider
from services.identity.oauth.providers.discovery import Discovery, ResolvedProvider
from services.identity.oauth.providers.id_tokens import IdTokens, unchecked
from services.identity.oauth.providers.profiles import Profile
from services.identity.oauth.providers.provider_http import ProviderHttp
from services.identity.oauth.tokens import Tokens, read_tokens
from trivet.client.deadline import time_left, within

logger = logging.getLogger(__name__)
ANSWER_SECONDS = 2.0
"""The part of a call's deadline that is reserved for the database and the response, after the provider's."""

RESERVED = frozenset(
    {"state", "client_id", "redirect_uri", "response_type", "code_challenge", "code_challenge_method", "nonce", "scope"}
)
"""Parameters of the provider's page that callers cannot set."""


class RelyingParty:
    """The client of all providers. Logs only the kind of a wrong response, never its content."""

    def __init__(
        self,
        http: ProviderHttp,
        discovery: Discovery,
        redirect_base: str,
        *,
        now: Clock = utc_now,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._discovery = discovery
        self._id_tokens = IdTokens(discovery, now=seconds)
        self._redirect_base = redirect_base
        self._now = now
        self._seconds = seconds

    def redirect_uri(self, provider: Provider) -> str:
        """Return the redirect URI of a provider. Each provider has its own."""
        return f"{self._redirect_base}/callback/{provider.id}"

    async def resolve(self, provider: Provider) -> ResolvedProvider:
        """Return a provider with its endpoints. Raises ExchangeError if its metadata cannot be loaded."""
        return await self._discovery.resolve(provider)

    def authorization_url(
        self,
        ready: ResolvedProvider,
        *,
        state: str,
        nonce: str,
        verifier: str,
        scopes: Sequence[str] = (),
        login_hint: str = "",
        extra: Mapping[str, str] | None = None,
    ) -> str:
        """Return the URL of the provider's sign-in page. `verifier` is PKCE's, which `redeem` sends later."""
        provider = ready.provider
        # In the order of better-auth 1.7.24, because tests of its clients compare whole URLs.
        parameters = {
            "response_type": "code",
            "client_id": provider.registration.client_id,
            "state": state,
            "scope": " ".join(dict.fromkeys([*provider.scopes, *scopes])),
            "redirect_uri": self.redirect_uri(provider),
            **({"login_hint": login_hint} if login_hint else {}),
            **({"nonce": nonce} if provider.is_openid else {}),
            **provider.modes,
            "code_challenge_method": "S256",
            "code_challenge": code_challenge(verifier),
            **provider.extra,
            **{name: value for name, value in (extra or {}).items() if name not in RESERVED},
        }
        between = "&" if "?" in ready.endpoints.authorization else "?"
        return f"{ready.endpoints.authorization}{between}{urlencode(parameters)}"

    async def redeem(self, ready: ResolvedProvider, code: str, *, verifier: str) -> Tokens:
        """Return the tokens for an authorization code. Raises OAuthError (invalid_code)."""
        form = {
            "grant_type": "authorization_code",
            "redirect_uri": self.redirect_uri(ready.provider),
            "code": code,
            "code_verifier": verifier,
        }
        try:
            tokens = await self._token_request(ready, form)
        except ExchangeError as error:
            logger.warning("provider %s rejected an authorization code: %s", ready.provider.id, error)
            raise OAuthError("invalid_code") from None
        if tokens is None:
            logger.warning("provider %s returned no tokens for an authorization code", ready.provider.id)
            raise OAuthError("invalid_code")
        # Without OpenID Connect the id token is not verified, so it is not stored.
        return tokens if ready.provider.is_openid else replace(tokens, id_token="")

    async def refresh(self, provider: Provider, refresh_token: str) -> Tokens:
        """Return new tokens for a refresh token. Raises ExchangeError."""
        ready = await self.resolve(provider)
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        if provider.id == "microsoft":
            form["scope"] = " ".join(provider.scopes)  # Entra requires it; elsewhere absent means the scopes granted
        tokens = await self._token_request(ready, form)
        if tokens is None:
            raise ExchangeError("a provider's token endpoint returned no tokens", refused=True)
        return await self._with_good_id_token(ready, tokens)

    async def identify(
        self, ready: ResolvedProvider, tokens: Tokens, *, nonce: str, iss: str, name: str
    ) -> tuple[Profile, str]:
        """Return the profile of the person who signed in, and its issuer. Raises OAuthError.

        `nonce` is the one of the authorization request. `iss` and `name` are the callback's, empty if absent.
        """
        try:
            if not ready.provider.is_openid:
                documents = await self._documents(ready, tokens.access_token)
                return _checked(ready.provider.read(documents)), ready.provider.issuer
            claims = await self._id_tokens.verify(ready, tokens.id_token, nonce=nonce)
            if iss and iss != claims["iss"]:
                raise OAuthError("issuer_mismatch")
            claims = await self._with_userinfo(ready, dict(claims), tokens.access_token)
        except (ExchangeError, BadTokenError) as error:
            logger.warning("provider %s did not identify the user: %s", ready.provider.id, error)
            raise OAuthError("unable_to_get_user_info") from None
        if name:
            claims["name"] = name
        return _checked(ready.provider.read([claims])), claims["iss"]

    async def identify_by_id_token(
        self, ready: ResolvedProvider, token: str, *, nonce: str, access_token: str, name: str
    ) -> tuple[Profile, str]:
        """Return the profile in an id token from an application, and its issuer.

        Raises BadTokenError, ExchangeError if the provider cannot be reached, and OAuthError without a usable identity.
        """
        claims = dict(await self._id_tokens.verify(ready, token, nonce=nonce, from_application=True))
        if name:
            claims["name"] = name
        if access_token:
            claims = await self._with_userinfo(ready, claims, access_token)
        return _checked(ready.provider.read([claims])), claims["iss"]

    async def look_up(self, provider: Provider, tokens: Tokens) -> Profile:
        """Return the current profile at the provider, or that of the last sign-in. Raises ExchangeError."""
        ready = await self.resolve(provider)
        if not provider.is_openid:
            return provider.read(await self._documents(ready, tokens.access_token))
        claims = dict(unchecked(tokens.id_token))  # it was verified before it was sealed
        if not ready.endpoints.userinfo:
            return provider.read([claims])
        (document,) = await self._documents(ready, tokens.access_token)
        if not isinstance(document, dict) or claims.get("sub", document.get("sub")) != document.get("sub"):
            raise ExchangeError("a provider's userinfo has another subject")
        return provider.read([claims | document])

    async def _token_request(self, ready: ResolvedProvider, form: dict[str, str]) -> Tokens | None:
        own = ready.provider.registration
        secret = ready.provider.secret(self._seconds)
        if ready.provider.auth is ClientAuth.BASIC:
            answer = await self._http.post(ready.endpoints.token, form, basic=(own.client_id, secret))
        else:
            credentials = {"client_id": own.client_id, "client_secret": secret}
            answer = await self._http.post(ready.endpoints.token, form | credentials)
        return read_tokens(answer, self._now())

    async def _with_good_id_token(self, ready: ResolvedProvider, tokens: Tokens) -> Tokens:
        """Return refreshed tokens, without an id token that is not valid."""
        if not tokens.id_token:
            return tokens
        try:
            if ready.provider.is_openid:
                # A refreshed token repeats no nonce (OpenID Connect Core 1.0, 12.2).
                await self._id_tokens.verify(ready, tokens.id_token, nonce="", from_application=True)
                return tokens
        except (BadTokenError, ExchangeError) as error:
            logger.warning("ignored a refreshed id token of provider %s: %s", ready.provider.id, error)
        return replace(tokens, id_token="")

    async def _documents(self, ready: ResolvedProvider, access_token: str) -> list[Any]:
        return [await self._http.get(url, bearer=access_token) for url in ready.endpoints.userinfo]

    async def _with_userinfo(
        self, ready: ResolvedProvider, claims: dict[str, Any], access_token: str
    ) -> dict[str, Any]:
        """Return claims, completed by the userinfo endpoint if the token has no email."""
        if "email" in claims or not ready.endpoints.userinfo or not access_token:
            return claims
        (document,) = await self._documents(ready, access_token)
        if not isinstance(document, dict) or document.get("sub") != claims["sub"]:
            raise BadTokenError("sub is not that of the userinfo")  # OpenID Connect Core 1.0, 5.3.2
        return document | claims


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of a PKCE code verifier (RFC 7636, 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def _checked(profile: Profile) -> Profile:
    if not profile.has_identity:
        raise OAuthError("unable_to_get_user_info")
    return profile


@contextmanager
def in_time() -> Iterator[None]:
    """End requests to a provider ANSWER_SECONDS before the call's deadline, so that the caller gets a response."""
    left = time_left()
    with within(None if left is None else left - ANSWER_SECONDS):
        yield


async def resolve_provider(relying_party: RelyingParty, provider: Provider | None) -> ResolvedProvider:
    """Return a provider with its endpoints.

    Raises NotFound (PROVIDER_NOT_FOUND) and Unavailable (PROVIDER_UNAVAILABLE).
    """
    if provider is None:
        raise NotFound("PROVIDER_NOT_FOUND", "Provider not found")
    try:
        with in_time():
            return await relying_party.resolve(provider)
    except ExchangeError as error:
        logger.warning("provider %s cannot be reached: %s", provider.id, error)
        raise Unavailable(
            "PROVIDER_UNAVAILABLE", f"the provider {provider.id} cannot be reached: retry later"
        ) from None
