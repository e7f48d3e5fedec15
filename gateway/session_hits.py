"""GET /api/auth/get-session, answered from memory: no call, nothing encoded, one signature checked.

It stands before all that is done around other requests, and does for its own answers what those do. Whatever is not
plainly a hit goes the long way, which answers the same.
"""

import itertools
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.auth.endpoints import NEVER_CACHED
from gateway.auth.limits import limit_of
from gateway.auth.protocol import BASE_PATH
from gateway.client_address import client_address, limit_subject
from gateway.deps import Deps
from gateway.exchange import Header
from gateway.middleware.cors import VARY, allowed
from gateway.middleware.metrics import duration_of, handled_of
from gateway.middleware.request_id import ACCEPTED
from gateway.middleware.security_headers import on_every_answer
from runtime.ids import new_id, token_hash

ROUTE = "/get-session"
PATH = f"{BASE_PATH}{ROUTE}"
REQUEST_IDS = 1_000_000
"""So many requests are numbered behind one random beginning."""


class SessionHits:
    """Answers checks of sessions that are held here; everything else goes on to the application."""

    def __init__(self, app: ASGIApp, deps: Deps, *, wall: Callable[[], float] = time.time) -> None:
        settings = deps.settings
        self._app = app
        self._held = deps.reads.sessions.held
        self._signer = deps.reads.cookies.signer
        self._cookie = deps.reads.cookies.session_token.encode() + b"="
        self._origins = deps.origins
        self._windows = deps.windows if settings.rate_limit_on else None
        self._proxies = settings.trusted_proxies
        self._wall = wall
        self._limit = limit_of(ROUTE)
        self._headers: list[Header] = [
            (b"content-type", b"application/json"),
            *on_every_answer(https=settings.base_url.startswith("https:")),
            *NEVER_CACHED,
            VARY,
        ]
        self._request_ids = _request_ids()
        self._handled = handled_of("GET", PATH, 200)
        self._duration = duration_of(PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == PATH and scope["method"] == "GET" and not scope["query_string"]:
            began = time.perf_counter()
            if (answer := self._find(scope)) is not None:
                headers, body = answer
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                self._handled.inc()
                self._duration.observe(time.perf_counter() - began)
                return
        await self._app(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[list[Header], bytes] | None:
        """Return the answer to a request that is plainly a hit, else None."""
        cookie, origin, request_id = b"", b"", b""
        for name, value in scope["headers"]:
            if name == b"cookie":
                if cookie:
                    return None
                cookie = value
            elif name == b"origin":
                origin = value
            elif name == b"x-request-id" and ACCEPTED.fullmatch(value.decode("latin-1")):
                request_id = value
            elif name in NOT_PLAIN:
                return None
        token = self._token(cookie)
        if token is None or (held := self._held(token_hash(token))) is None:
            return None
        now = self._wall()
        if held.ends <= now or held.slides <= now or not self._is_within_limits(scope):
            return None
        headers = [*self._headers, (b"x-request-id", request_id or next(self._request_ids))]
        if origin and self._origins.trusts(text := origin.decode("latin-1")):
            headers += allowed(text)
        body = held.head + token.encode() + held.tail
        headers.append((b"content-length", b"%d" % len(body)))
        return headers, body

    def _token(self, cookie: bytes) -> str | None:
        """Return the token of the first session cookie if it is signed and spelt as ours are, else None."""
        start = 0 if cookie.startswith(self._cookie) else cookie.find(b"; " + self._cookie) + 2
        if start == 1:
            return None
        value, _, _ = cookie[start + len(self._cookie) :].partition(b";")
        signed = value.replace(b"%2B", b"+").replace(b"%2F", b"/").replace(b"%3D", b"=").decode("latin-1")
        token = self._signer.unsign(signed)
        return token if token is not None and token.isascii() and token.isalnum() else None

    def _is_within_limits(self, scope: Scope) -> bool:
        """Count the request where limits are on; this process's own window is enough for who has a live session."""
        if self._windows is None:
            return True
        subject = limit_subject(client_address(scope, self._proxies))
        return self._windows.take(f"path|{subject}|{ROUTE}", self._limit) == 0


NOT_PLAIN = frozenset({b"authorization", b"traceparent"})
"""Headers of requests that want more: another way to sign in, a trace."""


def _request_ids() -> "itertools.chain[bytes]":
    """Yield names for requests, as long as ids are: a random beginning, and a number."""
    return itertools.chain.from_iterable(
        (beginning + b"%06d" % number for number in range(REQUEST_IDS))
        for beginning in iter(lambda: new_id()[:26].encode(), None)
    )
