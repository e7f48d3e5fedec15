"""The session cookies: their names, signatures and exact format, as docs/better-auth.md describes."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from typing import Self
from urllib.parse import quote, unquote

from starlette.requests import HTTPConnection

from gateway.http.request_context import header
from gateway.settings import GatewaySettings

MAX_AGE_SECONDS = 400 * 24 * 60 * 60
"""The longest life of a cookie in a browser."""

SIGNATURE_LENGTH = 44
STATE_SECONDS = 300
MAX_COOKIE_LENGTH = 4_050
"""The most characters of a cookie with its attributes: a little less than every browser accepts."""
MAX_CHUNKS = 100
CHUNK = re.compile("0|[1-9][0-9]{0,2}")
TOKEN = re.compile("[a-zA-Z0-9]{32}")
BLANKS = " \t\xa0"
"""Blanks around a cookie's name and value: those that JavaScript's `trim` removes and a header can have."""


class CookieSigner:
    """HMAC-SHA256 over a cookie's value. Signs with the current secret, and also accepts the former ones."""

    def __init__(self, secret: str, former: Iterable[str] = ()) -> None:
        self._keys = tuple(key.encode() for key in (secret, *former))

    def sign(self, value: str) -> str:
        """Return the value, a dot, and its signature in padded base64."""
        return f"{value}.{_mac(self._keys[0], value)}"

    def unsign(self, signed: str) -> str | None:
        """Return the value of a text with a valid signature, else None."""
        value, _, signature = signed.rpartition(".")
        if not value or len(signature) != SIGNATURE_LENGTH or not signature.isascii():
            return None
        # The texts are compared and not the bytes: base64 has spare bits that could be flipped.
        matches = [hmac.compare_digest(_mac(key, value), signature) for key in self._keys]
        return value if any(matches) else None


def _mac(key: bytes, value: str) -> str:
    return base64.b64encode(hmac.digest(key, value.encode(), hashlib.sha256)).decode()


class SessionCookies:
    """Writes and reads the session cookies."""

    def __init__(self, signer: CookieSigner, *, secure: bool) -> None:
        self.signer = signer
        prefix = "__Secure-better-auth." if secure else "better-auth."
        self.session_token = f"{prefix}session_token"
        self.session_data = f"{prefix}session_data"
        self.dont_remember = f"{prefix}dont_remember"
        self.state = f"{prefix}state"
        self._attributes = f"Path=/; HttpOnly;{' Secure;' if secure else ''} SameSite=Lax"

    @classmethod
    def of(cls, settings: GatewaySettings) -> Self:
        former = (secret.get_secret_value() for secret in settings.secrets_old)
        signer = CookieSigner(settings.secret.get_secret_value(), former)
        return cls(signer, secure=settings.base_url.startswith("https://"))

    def token_of(self, request: HTTPConnection) -> str | None:
        """Return the token of a request by bearer header or signed cookie; None without a valid one."""
        return self.token_in(header(request.scope, b"authorization"), request.headers.getlist("cookie"))

    def token_in(self, authorization: str, lines: Iterable[str]) -> str | None:
        """Return the token of an Authorization header or of Cookie headers; None without a valid one."""
        return self.bearer(authorization) or self._signed(lines, self.session_token)

    def is_not_remembered(self, request: HTTPConnection) -> bool:
        """Whether the session ends when the browser closes. The end of such a session is never moved."""
        return self._signed(request.headers.getlist("cookie"), self.dont_remember) == "true"

    def opened(self, request: HTTPConnection, token: str, seconds: int | None) -> list[str]:
        """Return the Set-Cookie values of a session that lasts `seconds`, or with None until the browser closes."""
        signed = self.signer.sign(token)
        if seconds is None:
            return [self._set(self.session_token, signed), self._set(self.dont_remember, self.signer.sign("true"))]
        kept = [self._set(self.session_token, signed, min(seconds, MAX_AGE_SECONDS))]
        # The session is remembered now, and was not before.
        return [*kept, self._set(self.dont_remember, "", 0)] if self.is_not_remembered(request) else kept

    def closed(self, request: HTTPConnection) -> list[str]:
        """Return the Set-Cookie values that remove all cookies of a session, with the browser's chunks."""
        chunks = [name for name, _ in self._data(request) if name != self.session_data]
        names = (self.session_token, self.session_data, *chunks, self.dont_remember)
        return [self._set(name, "", 0) for name in names]

    def began(self, state: str) -> str:
        """Return the Set-Cookie value that binds a provider sign-in to this browser for STATE_SECONDS."""
        return self._set(self.state, self.signer.sign(state), STATE_SECONDS)

    def state_of(self, request: HTTPConnection) -> str | None:
        """Return the state of the provider sign-in that this browser began; None without a valid one."""
        return self._signed(request.headers.getlist("cookie"), self.state)

    def ended(self) -> str:
        """Return the Set-Cookie value that removes the state."""
        return self._set(self.state, "", 0)

    def data_of(self, request: HTTPConnection) -> str:
        """Return the browser's value of `session_data`, joined from its chunks; empty without one."""
        chunks = dict(self._data(request))
        if whole := chunks.pop(self.session_data, ""):
            return whole
        return "".join(chunks[name] for name in sorted(chunks, key=lambda name: int(name.rpartition(".")[2])))

    def data_removed(self, request: HTTPConnection) -> list[str]:
        """Return the Set-Cookie values that remove the browser's `session_data` and its chunks."""
        return [self._set(name, "", 0) for name, _ in self._data(request)]

    def chunked(self, request: HTTPConnection, value: str, seconds: int | None) -> list[str]:
        """Return the Set-Cookie values of `session_data`, in numbered chunks if it is too long for one cookie.

        They also remove the browser's other chunks. A value that needs more than 100 chunks is left out.
        """
        size = MAX_COOKIE_LENGTH - len(self._set(f"{self.session_data}.99", "", seconds))
        pieces = [value[start : start + size] for start in range(0, len(value), size)]
        cookies = {name: self._set(name, "", 0) for name, _ in self._data(request)}
        if len(pieces) == 1:
            cookies[self.session_data] = self._set(self.session_data, value, seconds)
        elif len(pieces) <= MAX_CHUNKS:
            for index, piece in enumerate(pieces):
                name = f"{self.session_data}.{index}"
                cookies[name] = self._set(name, piece, seconds)
        return list(cookies.values())

    def _data(self, request: HTTPConnection) -> Iterator[tuple[str, str]]:
        """Yield the `session_data` cookie of a request and its chunks with their names, each name once."""
        seen: set[str] = set()
        for name, value in _pairs(request.headers.getlist("cookie")):
            head, _, index = name.rpartition(".")
            is_data = name == self.session_data or (head == self.session_data and CHUNK.fullmatch(index) is not None)
            if is_data and name not in seen:
                seen.add(name)
                yield name, _decoded(value)

    def _set(self, name: str, value: str, max_age: int | None = None) -> str:
        age = "" if max_age is None else f" Max-Age={max_age};"
        encoded = quote(value, safe="!~*'()")
        return f"{name}={encoded};{age} {self._attributes}"

    def _signed(self, lines: Iterable[str], name: str) -> str | None:
        """Return the first valid value of a cookie: a planted cookie of the same name must not sign the user out."""
        for key, value in _pairs(lines):
            if key == name and (unsigned := self.signer.unsign(_decoded(value))) is not None:
                return unsigned
        return None

    def is_bare(self, request: HTTPConnection) -> bool:
        """Whether the token of a request has no signature of the gateway. Every client can invent such a token."""
        return self.holds_bare(header(request.scope, b"authorization"))

    def holds_bare(self, authorization: str) -> bool:
        """Whether an Authorization header has a token without our signature."""
        token = self.bearer(authorization)
        return token is not None and token == unquote(authorization.partition(" ")[2].strip())

    def bearer(self, authorization: str) -> str | None:
        """Return the token of an Authorization header, signed or bare; None if it has none."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        value = unquote(value.strip())
        return self.signer.unsign(value) or (value if TOKEN.fullmatch(value) else None)


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names and values of Cookie headers without blanks. `_decoded` decodes a value."""
    for line in lines:
        for pair in line.split(";"):
            key, _, value = pair.partition("=")
            yield key.strip(BLANKS), value.strip(BLANKS)


def _decoded(value: str) -> str:
    """Return a cookie's decoded value. It can be quoted, and its characters percent-encoded."""
    return unquote(value[1:-1] if value.startswith('"') else value)
