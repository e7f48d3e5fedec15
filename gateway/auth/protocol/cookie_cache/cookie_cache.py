"""The cookie `session_data`: a signed copy of session and user, which a front end's middleware reads without a request.

The gateway never trusts it. It holds what was true when it was written: a session that has ended stays in it until the
cookie expires.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import HTTPConnection

from gateway.auth.protocol.cookie_cache.js_json import stringify
from gateway.sessions.cookies import SessionCookies
from gateway.settings import GatewaySettings
from runtime.clock import Clock, utc_now

VERSION = "1"
IMAGE_LENGTH = 2_048
"""A longer picture is a data URL, which the cookie leaves out."""
UNREMEMBERED_COMPACT_SECONDS = 60
UNREMEMBERED_JWT_SECONDS = 300
JWT_HEADER = {"alg": "HS256"}

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a cookie in its order. The times are in milliseconds since 1970."""

    session: Members
    user: Members
    updated_at: int
    expires_at: int
    version: str = VERSION

    @property
    def payload(self) -> dict[str, Any]:
        return {"session": self.session, "user": self.user, "updatedAt": self.updated_at, "version": self.version}


def to_compact(content: Content, key: bytes) -> str:
    """Return the cookie value of the strategy `compact`: JSON with its signature in it."""
    signed = stringify({**content.payload, "expiresAt": content.expires_at})
    whole = {
        "session": content.payload,
        "expiresAt": content.expires_at,
        "signature": _mac(key, signed),
    }
    return _base64(stringify(whole).encode())


def from_compact(value: str, key: bytes) -> Content | None:
    """Return the content of a value of `to_compact`, None if it was not made with this key."""
    try:
        whole = json.loads(_bytes(value))
        payload, expires_at = whole["session"], whole["expiresAt"]
        signed = stringify({**payload, "expiresAt": expires_at})
        if not hmac.compare_digest(_mac(key, signed).encode(), whole["signature"].encode()):
            return None
        return _content(payload, expires_at)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def to_jwt(content: Content, key: bytes) -> str:
    """Return the cookie value of the strategy `jwt`: HS256, with times in whole seconds."""
    times = {"iat": content.updated_at // 1_000, "exp": content.expires_at // 1_000}
    parts = (JWT_HEADER, {**content.payload, **times})
    signed = ".".join(_base64(stringify(part).encode()) for part in parts)
    return f"{signed}.{_mac(key, signed)}"


def from_jwt(value: str, key: bytes) -> Content | None:
    """Return the content of a value of `to_jwt`, None if it was not made with this key."""
    signed, _, signature = value.rpartition(".")
    try:
        if not hmac.compare_digest(_mac(key, signed).encode(), signature.encode()):
            return None
        payload = json.loads(_bytes(signed.partition(".")[2]))
        return _content(payload, payload["exp"] * 1_000)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _content(payload: dict[str, Any], expires_at: int) -> Content:
    return Content(payload["session"], payload["user"], payload["updatedAt"], expires_at, payload["version"])


@dataclass(frozen=True, slots=True)
class Strategy:
    """One format of the cookie."""

    write: Callable[[Content, bytes], str]
    read: Callable[[str, bytes], Content | None]
    unremembered_seconds: int


STRATEGIES: Mapping[str, Strategy] = {
    "compact": Strategy(to_compact, from_compact, UNREMEMBERED_COMPACT_SECONDS),
    "jwt": Strategy(to_jwt, from_jwt, UNREMEMBERED_JWT_SECONDS),
}
"""Strategies by the value of TRIVET_COOKIE_CACHE."""


class CookieCache:
    """Writes the cookie, and compares the browser's with the session."""

    def __init__(
        self, strategy: Strategy, cookies: SessionCookies, secret: str, *, seconds: int, now: Clock = utc_now
    ) -> None:
        self._strategy = strategy
        self._cookies = cookies
        self._key = secret.encode()
        self._seconds = seconds
        self._now = now

    @classmethod
    def of(cls, settings: GatewaySettings, cookies: SessionCookies) -> "CookieCache | None":
        """Return the cookie cache of the settings, None if it is off."""
        strategy = STRATEGIES.get(settings.cookie_cache)
        secret = settings.secret.get_secret_value()
        return cls(strategy, cookies, secret, seconds=settings.cookie_cache_seconds) if strategy else None

    def written(self, request: HTTPConnection, session: Members, user: Members, *, remember: bool) -> list[str]:
        """Return the Set-Cookie values that hold a session and its user, in chunks if one cookie is too small.

        They also remove other chunks of the browser. Content that needs more than 100 chunks is left out.
        """
        user = _without_large_image(user)
        now = _milliseconds(self._now())
        seconds = self._seconds if remember else self._strategy.unremembered_seconds
        content = Content(session, user, now, now + seconds * 1_000)
        value = self._strategy.write(content, self._key)
        return self._cookies.chunked(request, value, self._seconds if remember else None)

    def renewed(
        self, request: HTTPConnection, session: Members, user: Members, *, remember: bool, always: bool
    ) -> list[str]:
        """Return as `written` does if the browser's cookie is missing, invalid, expired or differs, else nothing.

        A session that is not remembered gets no cookie: an invalid or expired one is removed, as the original does.
        """
        user = _without_large_image(user)
        sent = self._cookies.data_of(request)
        found = self._strategy.read(sent, self._key) if sent else None
        is_good = found is not None and found.version == VERSION and found.expires_at > _milliseconds(self._now())
        if not remember:
            return [] if is_good or not sent else self._cookies.data_removed(request)
        if is_good and not always and found is not None and (found.session, found.user) == (session, user):
            return []
        return self.written(request, session, user, remember=True)


def _without_large_image(user: Members) -> Members:
    """Return a user without an image that is a data URL: browsers send every cookie with every request."""
    image = user.get("image")
    return {**user, "image": None} if isinstance(image, str) and len(image) > IMAGE_LENGTH else user


def _mac(key: bytes, text: str) -> str:
    return _base64(hmac.digest(key, text.encode(), hashlib.sha256))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000)
