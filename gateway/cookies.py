"""The cookies that open a session: their names, signatures and exact spelling, as docs/better-auth.md describes."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from typing import Self
from urllib.parse import quote, unquote

from starlette.requests import HTTPConnection

from gateway.settings import GatewaySettings

MAX_AGE_SECONDS = 400 * 24 * 60 * 60
"""Browsers keep no cookie longer."""

SIGNATURE_LENGTH = 44
TOKEN = re.compile("[a-zA-Z0-9]{32}")


class CookieSigner:
    """HMAC-SHA256 over a cookie's value. Signs with the current secret; accepts former ones while they are listed."""

    def __init__(self, secret: str, former: Iterable[str] = ()) -> None:
        self._keys = tuple(key.encode() for key in (secret, *former))

    def sign(self, value: str) -> str:
        """Return the value, a dot, and its signature in padded base64."""
        return f"{value}.{_mac(self._keys[0], value)}"

    def unsign(self, signed: str) -> str | None:
        """Return the value of a validly signed text, else None."""
        value, _, signature = signed.rpartition(".")
        if not value or len(signature) != SIGNATURE_LENGTH or not signature.isascii():
            return None
        # The texts are compared, not what they decode to: base64 has spare bits that could be flipped.
        matches = [hmac.compare_digest(_mac(key, value), signature) for key in self._keys]
        return value if any(matches) else None


def _mac(key: bytes, value: str) -> str:
    return base64.b64encode(hmac.digest(key, value.encode(), hashlib.sha256)).decode()


class SessionCookies:
    """What a browser is told to keep, and what is read from what it sends."""

    def __init__(self, signer: CookieSigner, *, secure: bool) -> None:
        self.signer = signer
        prefix = "__Secure-better-auth." if secure else "better-auth."
        self.session_token = f"{prefix}session_token"
        self.session_data = f"{prefix}session_data"
        self.dont_remember = f"{prefix}dont_remember"
        self._attributes = f"Path=/; HttpOnly;{' Secure;' if secure else ''} SameSite=Lax"

    @classmethod
    def of(cls, settings: GatewaySettings) -> Self:
        former = (secret.get_secret_value() for secret in settings.secrets_old)
        signer = CookieSigner(settings.secret.get_secret_value(), former)
        return cls(signer, secure=settings.base_url.startswith("https://"))

    def token_of(self, request: HTTPConnection) -> str | None:
        """Return the token that a request proves to hold, by bearer header or cookie; None without a good one."""
        return self._bearer(request.headers.get("authorization", "")) or self._signed(request, self.session_token)

    def is_not_remembered(self, request: HTTPConnection) -> bool:
        """Whether the browser was told to forget the session when it closes: it is never slid."""
        return self._signed(request, self.dont_remember) == "true"

    def opened(self, token: str, seconds: int | None) -> list[str]:
        """Return the Set-Cookie values that keep a session for some time, or with None until the browser closes."""
        signed = self.signer.sign(token)
        if seconds is not None:
            return [self._set(self.session_token, signed, min(seconds, MAX_AGE_SECONDS))]
        return [self._set(self.session_token, signed), self._set(self.dont_remember, self.signer.sign("true"))]

    def closed(self) -> list[str]:
        """Return the Set-Cookie values that remove whatever a session left."""
        return [self._set(name, "", 0) for name in (self.session_token, self.session_data, self.dont_remember)]

    def _set(self, name: str, value: str, max_age: int | None = None) -> str:
        age = "" if max_age is None else f" Max-Age={max_age};"
        encoded = quote(value, safe="!~*'()")
        return f"{name}={encoded};{age} {self._attributes}"

    def _signed(self, request: HTTPConnection, name: str) -> str | None:
        """Return the first validly signed value of a cookie: one planted beside it must not sign the user out."""
        for value in _values(request, name):
            if (unsigned := self.signer.unsign(unquote(value))) is not None:
                return unsigned
        return None

    def _bearer(self, authorization: str) -> str | None:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        value = unquote(value.strip())
        return self.signer.unsign(value) or (value if TOKEN.fullmatch(value) else None)


def _values(request: HTTPConnection, name: str) -> Iterator[str]:
    for line in request.headers.getlist("cookie"):
        for pair in line.split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                yield value
