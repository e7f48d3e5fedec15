"""Mailed links, and the stateless tokens of email verification.

A token is a JWT (RFC 7519, RFC 7515) in the form of Better Auth 1.7. With the same secret, each accepts the links of
the other: header `{"alg":"HS256"}`, payload `{email, updateTo?, requestType?, userId, iat, exp}`.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any
from urllib.parse import quote

from runtime.clock import Clock, utc_now
from runtime.errors import InvalidArgument

LIFETIME = timedelta(hours=1)
MAX_LENGTH = 4_096
BASE_PATH = "/api/auth"


class LinkPurpose(Enum):
    """The purpose of an email token: the values of `requestType`."""

    VERIFY = ""
    CONFIRM_CHANGE = "change-email-confirmation"
    CHANGE = "change-email-verification"


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """The claims of an email token, which proves access to the mailbox of `email`.

    `new_email` is the address to change to. `issued_at` is in Unix seconds, and set only by `Links.read`.
    """

    email: str
    user_id: str
    purpose: LinkPurpose = LinkPurpose.VERIFY
    new_email: str = ""
    issued_at: int = field(default=0, compare=False)


class Links:
    """Makes mailed links, which lead to the site's base URL, and signs and verifies their tokens."""

    def __init__(self, base_url: str, secrets: Sequence[str], *, now: Clock = utc_now) -> None:
        """The first of `secrets` signs; all of them verify."""
        self._base = base_url.rstrip("/") + BASE_PATH
        self._keys = tuple(secret.encode() for secret in secrets)
        self._now = now

    def verify_email(self, claims: LinkClaims, callback_url: str) -> str:
        return f"{self._base}/verify-email?token={self.sign(claims)}&callbackURL={_encoded(callback_url or '/')}"

    def reset_password(self, token: str, redirect_url: str) -> str:
        return f"{self._base}/reset-password/{token}?callbackURL={_encoded(redirect_url)}"

    def delete_user(self, token: str, callback_url: str) -> str:
        return f"{self._base}/delete-user/callback?token={token}&callbackURL={_encoded(callback_url or '/')}"

    def sign(self, claims: LinkClaims) -> str:
        """Return a JWT with these claims, valid for an hour."""
        now = int(self._now().timestamp())
        change = {"updateTo": claims.new_email, "requestType": claims.purpose.value} if claims.new_email else {}
        times = {"iat": now, "exp": now + int(LIFETIME.total_seconds())}
        payload: dict[str, object] = {"email": claims.email, **change, "userId": claims.user_id, **times}
        signed = f"{HEADER}.{_base64url(json.dumps(payload, separators=(',', ':'), ensure_ascii=False).encode())}"
        return f"{signed}.{_mac(self._keys[0], signed)}"

    def read(self, token: str) -> LinkClaims:
        """Return the claims of a JWT. Raises InvalidArgument (TOKEN_EXPIRED, INVALID_TOKEN)."""
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        # Only our header is valid: no other algorithm, no key that the sender chose, no critical extension.
        if len(token) > MAX_LENGTH or not token.isascii() or header != HEADER:
            raise invalid_token()
        matches = [hmac.compare_digest(_mac(key, signed), signature) for key in self._keys]
        if not any(matches):
            raise invalid_token()
        return self._parse(_decoded(payload))

    def _parse(self, payload: dict[str, Any]) -> LinkClaims:
        email, user_id, expires = payload.get("email"), payload.get("userId", ""), payload.get("exp")
        new_email, purpose = payload.get("updateTo", ""), payload.get("requestType", "")
        if not all(isinstance(text, str) for text in (email, user_id, new_email, purpose)) or type(expires) is not int:
            raise invalid_token()  # for example a `session_data` cookie, which the same secret signs
        issued = payload.get("iat", 0)
        if type(issued) is not int:
            raise invalid_token()
        if expires <= self._now().timestamp():
            raise InvalidArgument("TOKEN_EXPIRED", "the link has expired: request a new one", field="token")
        # An email change has two steps and names its user. The one-step change of earlier versions is not valid.
        if (
            purpose not in PURPOSES
            or bool(new_email) != (PURPOSES[purpose] is not LinkPurpose.VERIFY)
            or (new_email and not user_id)
        ):
            raise invalid_token()
        return LinkClaims(str(email), user_id, PURPOSES[purpose], new_email, issued)


PURPOSES = {purpose.value: purpose for purpose in LinkPurpose}


def invalid_token() -> InvalidArgument:
    return InvalidArgument(
        "INVALID_TOKEN", "the link is not valid: it was used or changed, or is from another site", field="token"
    )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


HEADER = _base64url(b'{"alg":"HS256"}')


def _mac(key: bytes, signed: str) -> str:
    # Signatures are compared in base64: its last character has unused bits, which could be changed.
    return _base64url(hmac.digest(key, signed.encode(), hashlib.sha256))


def _decoded(payload: str) -> dict[str, Any]:
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise invalid_token() from None
    if not isinstance(claims, dict):
        raise invalid_token()
    return claims


def _encoded(url: str) -> str:
    """Encode a text as JavaScript's encodeURIComponent does."""
    return quote(url, safe="!~*'()")
