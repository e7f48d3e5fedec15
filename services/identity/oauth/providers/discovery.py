"""The providers' metadata (OpenID Connect Discovery 1.0) and signing keys, cached and refreshed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from runtime.background.tasks import Tasks
from services.identity.oauth.errors import ExchangeError
from services.identity.oauth.providers.catalog import ClientAuth, Endpoints, Provider, exact_issuer
from services.identity.oauth.providers.provider_http import ProviderHttp
from services.identity.oauth.providers.ttl_value import TtlValue

WELL_KNOWN = "/.well-known/openid-configuration"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""The accepted signature algorithms of id tokens. All use a private key, unlike `none` and HS256."""
MAX_KEYS = 50
AGAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ResolvedProvider:
    """A provider with known endpoints. `sends_iss`: its callbacks carry `iss` (RFC 9207)."""

    provider: Provider
    endpoints: Endpoints
    sends_iss: bool = False


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A published key and its key id."""

    kid: str
    key: Key


class Discovery:
    """The metadata and keys of the configured providers. There are no others, so the cache is bounded."""

    def __init__(self, http: ProviderHttp, providers: Sequence[Provider], tasks: Tasks) -> None:
        self._http = http
        self._tasks = tasks
        self._ready: dict[str, TtlValue[ResolvedProvider]] = {}
        self._keys: dict[str, TtlValue[tuple[SigningKey, ...]]] = {}
        for provider in providers:
            self._ready[provider.id] = TtlValue(self._loader(provider), self._tasks)

    async def resolve(self, provider: Provider) -> ResolvedProvider:
        """Return a provider with its endpoints, from its metadata if necessary. Raises ExchangeError."""
        if provider.endpoints is not None:
            return ResolvedProvider(provider, provider.endpoints)
        return await self._ready[provider.id].get()

    async def keys(self, ready: ResolvedProvider, kid: str) -> Sequence[Key]:
        """Return the keys with this key id. An unknown key id reloads the keys.

        Raises ExchangeError if they cannot be loaded.
        """
        kept = self._keys.get(ready.provider.id)
        if kept is None:
            load = self._key_loader(ready.endpoints.jwks)
            kept = self._keys[ready.provider.id] = TtlValue(load, self._tasks, again_seconds=AGAIN_SECONDS)
        found = _named(await kept.get(), kid)
        if not found and await kept.reload():
            found = _named(await kept.get(), kid)
        return found

    def _loader(self, provider: Provider) -> Callable[[], Any]:
        async def load() -> ResolvedProvider:
            document = await self._http.get(provider.issuer.rstrip("/") + WELL_KNOWN)
            return self._read(provider, document if isinstance(document, dict) else {})

        return load

    def _read(self, provider: Provider, document: dict[str, Any]) -> ResolvedProvider:
        """Return the provider as its metadata describes it. Raises ExchangeError if the metadata is wrong or unsafe."""
        issuer = document.get("issuer")
        if not isinstance(issuer, str) or issuer.rstrip("/") != provider.issuer.rstrip("/"):
            raise ExchangeError(f"the metadata of {provider.id} has another issuer")
        authorization, token, jwks = (
            document.get(f"{name}") for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        )
        if not all(map(self._http.is_allowed, (authorization, token, jwks))):
            raise ExchangeError(f"the metadata of {provider.id} names no https addresses")
        userinfo = document.get("userinfo_endpoint")
        signed = _words(document.get("id_token_signing_alg_values_supported")) or ("RS256",)
        algorithms = tuple(each for each in ALGORITHMS if each in signed)
        if not algorithms:
            raise ExchangeError(f"{provider.id} supports no accepted signature algorithm")
        methods = _words(document.get("token_endpoint_auth_methods_supported")) or (ClientAuth.BASIC.value,)
        return ResolvedProvider(
            replace(
                provider,
                issuer=issuer,
                issuer_rule=exact_issuer(issuer),
                algorithms=algorithms,
                auth=ClientAuth.POST if ClientAuth.POST.value in methods else ClientAuth.BASIC,
            ),
            Endpoints(str(authorization), str(token), (userinfo,) if isinstance(userinfo, str) else (), str(jwks)),
            sends_iss=document.get("authorization_response_iss_parameter_supported") is True,
        )

    def _key_loader(self, url: str) -> Callable[[], Any]:
        async def load() -> tuple[SigningKey, ...]:
            document = await self._http.get(url)
            published = document.get("keys") if isinstance(document, dict) else None
            if not isinstance(published, list):
                raise ExchangeError("a provider's keys cannot be read")
            return tuple(_signing_keys(published[:MAX_KEYS]))

        return load


def _signing_keys(published: Sequence[Any]) -> list[SigningKey]:
    """Return the keys that can verify a signature. Leaves out unknown kinds and symmetric keys."""
    keys = []
    for each in published:
        if not isinstance(each, dict) or each.get("use", "sig") != "sig" or each.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            keys.append(SigningKey(str(each.get("kid", "")), JWKRegistry.import_key(each)))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return keys


def _named(keys: Sequence[SigningKey], kid: str) -> list[Key]:
    return [each.key for each in keys if not kid or not each.kid or each.kid == kid]


def _words(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
