"""CORS: scripts of trusted origins can send cookies and read answers."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.origin_advice import OriginAdvice
from gateway.http.origins import Origins
from gateway.http.request_context import Header, header, request_context_of

EXPOSED = b"set-auth-token, set-auth-jwt, x-retry-after, retry-after, x-request-id, traceparent, etag"
METHODS = b"GET, POST, PUT, PATCH, DELETE"
PREFLIGHT_SECONDS = b"600"
HEADER_NAMES = re.compile(r"[A-Za-z0-9, -]{0,1024}")
VARY: Header = (b"vary", b"Origin")


class Cors:
    """Echoes a trusted origin exactly, never `*`. Other origins get no CORS header."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins
        self._advice = OriginAdvice()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = request_context_of(scope).headers
        headers.append(VARY)
        origin = header(scope, b"origin")
        trusted = bool(origin) and self._origins.trusts(origin)
        if origin:
            self._advice.consider(origin, header(scope, b"host"), trusted=trusted)
        if scope["method"] == "OPTIONS" and origin and header(scope, b"access-control-request-method"):
            headers += _admitting(origin) if trusted else ()
            await _preflight(scope, send, trusted=trusted)
            return
        if trusted:
            headers += allowed(origin)
        await self._app(scope, receive, send)


def allowed(origin: str) -> tuple[Header, ...]:
    """Return the headers with which pages of a trusted origin can read an answer."""
    return (*_admitting(origin), (b"access-control-expose-headers", EXPOSED))


def _admitting(origin: str) -> tuple[Header, ...]:
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
    )


async def _preflight(scope: Scope, send: Send, *, trusted: bool) -> None:
    request_context_of(scope).route = "preflight"
    headers: list[Header] = []
    asked = header(scope, b"access-control-request-headers")
    if trusted and HEADER_NAMES.fullmatch(asked):
        headers.append((b"access-control-allow-methods", METHODS))
        headers.append((b"access-control-allow-headers", asked.encode()))
        headers.append((b"access-control-max-age", PREFLIGHT_SECONDS))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
