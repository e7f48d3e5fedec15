"""Links that are mailed, and the stateless proof of an address that some of them carry.

The proof is a JWT (RFC 7519, RFC 7515) exactly as Better Auth 1.7 writes it, so that links of either are good at the
other under one secret: header `{"alg":"HS256"}`, payload `{email, updateTo?, requestType?, userId, iat, exp}`.
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
    """What a proof of an address is for, as `requestType` says."""

    VERIFY = ""
    CONFIRM_CHANGE = "change-email-confirmation"
    CHANGE = "change-email-verification"


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """Says that whoever holds it reads the mail of an address. `new_email` is the one that is to take its place.

    `issued_at` is in Unix seconds, set on one that was read.
    """

    email: str
    user_id: str
    purpose: LinkPurpose = LinkPurpose.VERIFY
    new_email: str = ""
    issued_at: int = field(default=0, compare=False)


class Links:
    """Makes the links of mails: they lead to the configured address and nowhere else."""

    def __init__(self, base_url: str, secrets: Sequence[str], *, now: Clock = utc_now) -> None:
        """`secrets`: the first one signs, proofs under any of them are good."""
        self._base = base_url.rstrip("/") + BASE_PATH
        self._keys = tuple(secret.encode() for secret in secrets)
        self._now = now

    def verify_email(self, proof: LinkClaims, callback_url: str) -> str:
        return f"{self._base}/verify-email?token={self.sign(proof)}&callbackURL={_encoded(callback_url or '/')}"

    def reset_password(self, token: str, redirect_url: str) -> str:
        return f"{self._base}/reset-password/{token}?callbackURL={_encoded(redirect_url)}"

    def delete_user(self, token: str, callback_url: str) -> str:
        return f"{self._base}/delete-user/callback?token={token}&callbackURL={_encoded(callback_url or '/')}"

    def sign(self, proof: LinkClaims) -> str:
        """Return a proof as a JWT that is good for an hour."""
        now = int(self._now().timestamp())
        change = {"updateTo": proof.new_email, "requestType": proof.purpose.value} if proof.new_email else {}
        times = {"iat": now, "exp": now + int(LIFETIME.total_seconds())}
        payload: dict[str, object] = {"email": proof.email, **change, "userId": proof.user_id, **times}
        signed = f"{HEADER}.{_base64url(json.dumps(payload, separators=(',', ':'), ensure_ascii=False).encode())}"
        return f"{signed}.{_mac(self._keys[0], signed)}"

    def read(self, token: str) -> LinkClaims:
        """Return what a JWT proves. Raises InvalidArgument: TOKEN_EXPIRED, or INVALID_TOKEN for whatever else."""
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        # The header is ours or none: no other algorithm, no key of the sender's choice, no critical extension.
        if len(token) > MAX_LENGTH or not token.isascii() or header != HEADER:
            raise invalid_token()
        matches = [hmac.compare_digest(_mac(key, signed), signature) for key in self._keys]
        if not any(matches):
            raise invalid_token()
        return self._proof(_decoded(payload))

    def _proof(self, claims: dict[str, Any]) -> LinkClaims:
        email, user_id, expires = claims.get("email"), claims.get("userId", ""), claims.get("exp")
        new_email, step = claims.get("updateTo", ""), claims.get("requestType", "")
        if not all(isinstance(text, str) for text in (email, user_id, new_email, step)) or type(expires) is not int:
            raise invalid_token()  # for example the session of a front end's cookie, which the same secret signs
        issued = claims.get("iat", 0)
        if type(issued) is not int:
            raise invalid_token()
        if expires <= self._now().timestamp():
            raise InvalidArgument("TOKEN_EXPIRED", "the link has expired: ask for another one", field="token")
        # A change has two steps and names its user. A change of one step, as former versions had, is none.
        if (
            step not in STEPS
            or bool(new_email) != (STEPS[step] is not LinkPurpose.VERIFY)
            or (new_email and not user_id)
        ):
            raise invalid_token()
        return LinkClaims(str(email), user_id, STEPS[step], new_email, issued)


STEPS = {step.value: step for step in LinkPurpose}


def invalid_token() -> InvalidArgument:
    return InvalidArgument("INVALID_TOKEN", "the link is no good: it was spent, or is none of ours", field="token")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


HEADER = _base64url(b'{"alg":"HS256"}')


def _mac(key: bytes, signed: str) -> str:
    # Signatures are compared as texts: the last letter has spare bits, which could be flipped.
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
    """Return a text as JavaScript's encodeURIComponent writes it."""
    return quote(url, safe="!~*'()")
