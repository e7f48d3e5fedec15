"""Verifies id tokens (OpenID Connect Core 1.0, 3.1.3.7)."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from runtime import json_text
from services.identity.oauth.errors import BadTokenError
from services.identity.oauth.providers.discovery import Discovery, ResolvedProvider
from services.identity.oauth.providers.profiles import Claims

LEEWAY_SECONDS = 30
MAX_LENGTH = 32_768


class IdTokens:
    """Verifies id tokens. The returned claims have `iss` in the spelling that accounts store."""

    def __init__(self, discovery: Discovery, *, now: Callable[[], float] = time.time) -> None:
        self._discovery = discovery
        self._now = now

    async def verify(
        self, ready: ResolvedProvider, token: str, *, nonce: str, from_application: bool = False
    ) -> Claims:
        """Return the claims of a token that the provider signed for this client and this nonce.

        `from_application`: the token does not come from the token endpoint. It must be recent, and an empty `nonce` is
        not checked. Raises BadTokenError, and ExchangeError if the provider's keys cannot be loaded.
        """
        if len(token) > MAX_LENGTH:
            raise BadTokenError("the token is too long")
        claims = await self._signed(ready, token)
        assert ready.provider.issuer_rule is not None, "the provider signs no id tokens"
        issuer = ready.provider.issuer_rule(claims)
        _check_audience(claims, ready.provider.registration.client_id)
        self._check_times(claims, ready.provider.token_age_seconds if from_application else None)
        if nonce or not from_application:
            _check_nonce(claims, nonce, hashed=from_application and ready.provider.is_nonce_hashed)
        if not isinstance(claims.get("sub"), str):
            raise BadTokenError("sub is missing")
        return claims | {"iss": issuer}

    async def _signed(self, ready: ResolvedProvider, token: str) -> dict[str, Any]:
        algorithms = ready.provider.algorithms
        header = _header(token)
        # The provider's metadata decides the algorithms, never the token.
        if header.get("alg") not in algorithms:
            raise BadTokenError("alg is not an algorithm of the provider")
        kid = header.get("kid", "")
        for key in await self._discovery.keys(ready, kid if isinstance(kid, str) else ""):
            try:
                jwt.decode(token, key, algorithms=list(algorithms))
            except (JoseError, ValueError, TypeError):
                continue
            return dict(unchecked(token))
        raise BadTokenError("no key of the provider matches the signature")

    def _check_times(self, claims: Claims, oldest: int | None) -> None:
        now = self._now()
        expires, issued, begins = (_time(claims, name) for name in ("exp", "iat", "nbf"))
        if expires is None or expires <= now - LEEWAY_SECONDS:
            raise BadTokenError("exp is in the past")
        if issued is None or issued > now + LEEWAY_SECONDS:
            raise BadTokenError("iat is missing or in the future")
        if begins is not None and begins > now + LEEWAY_SECONDS:
            raise BadTokenError("nbf is in the future")
        if oldest is not None and issued < now - oldest - LEEWAY_SECONDS:
            raise BadTokenError("iat is too old")


def unchecked(token: str) -> Claims:
    """Return the claims of a stored token, which was verified before; empty if it is malformed."""
    try:
        claims = json_text.parse(_decoded(token.split(".")[1]))
    except (ValueError, IndexError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _header(token: str) -> dict[str, Any]:
    try:
        header = json_text.parse(_decoded(token.split(".")[0]))
    except ValueError:
        raise BadTokenError("the token is malformed") from None
    if not isinstance(header, dict):
        raise BadTokenError("the token is malformed")
    return header


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))


def _check_audience(claims: Claims, client_id: str) -> None:
    given = claims.get("aud")
    audience = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    if client_id not in audience:
        raise BadTokenError("aud is not the client id")
    if claims.get("azp", None if len(audience) > 1 else client_id) != client_id:
        raise BadTokenError("azp is not the client id")


def _check_nonce(claims: Claims, nonce: str, *, hashed: bool) -> None:
    given = claims.get("nonce")
    if not isinstance(given, str) or not nonce:
        raise BadTokenError("nonce is missing")
    wanted = [nonce, hashlib.sha256(nonce.encode()).hexdigest()] if hashed else [nonce]
    if not any(hmac.compare_digest(given.encode(), each.encode()) for each in wanted):
        raise BadTokenError("nonce does not match")


def _time(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
