"""GET /api/auth/get-session, answered from memory: no call, nothing encoded, one signature checked.

It stands before all that is done around other requests, and does for its own answers what those do. A session that is
not held yet is read here as well. Whatever is no plain question about an open session goes the long way, which answers
the same.
"""

import itertools
import re
import time
from collections.abc import Callable
from typing import NamedTuple

import grpc
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.auth.endpoints import NEVER_CACHED
from gateway.auth.limits import limit_of
from gateway.auth.protocol import BASE_PATH
from gateway.client_address import client_address, limit_subject
from gateway.deps import Deps
from gateway.exchange import Exchange, Header
from gateway.held_sessions import HeldSession
from gateway.middleware.cors import VARY, allowed
from gateway.middleware.metrics import duration, handled
from gateway.middleware.request_id import ACCEPTED
from gateway.middleware.request_log import entry_of
from gateway.middleware.security_headers import on_every_answer
from gateway.middleware.trace import BEGINS, sampler_of
from gateway.reads import OUTCOME
from runtime.ids import new_id, token_hash

ROUTE = "/get-session"
PATH = f"{BASE_PATH}{ROUTE}"
PLAIN = re.compile("[a-zA-Z0-9]+")
"""Tokens that JSON spells as they are."""
MAX_READING = 512
"""So many reads at a time: more go the long way, where too much is refused."""
REQUEST_IDS = 1_000_000
"""So many requests are numbered behind one random beginning."""


class Answer(NamedTuple):
    """An answer, and what the request log is told of it."""

    headers: list[Header]
    body: bytes
    request_id: bytes
    user_id: str
    is_hit: bool


class SessionChecks:
    """Answers plain checks of sessions that are open; everything else goes on to the application."""

    def __init__(self, app: ASGIApp, deps: Deps, *, wall: Callable[[], float] = time.time) -> None:
        settings = deps.settings
        self._app = app
        self._reads = deps.reads
        self._reading = self._hits = 0
        self._cookies = deps.reads.cookies
        self._cookie = deps.reads.cookies.session_token.encode() + b"="
        self._origins = deps.origins
        self._windows = deps.windows
        self._is_limited = settings.rate_limit_on
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
        self._handled = handled.of("GET", PATH, 200)
        self._duration = duration.of(PATH)
        self._sampler = sampler_of(settings.trace_ratio)
        self._request_log = deps.request_log
        self._log_every = settings.log_hits_every
        self._hits = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != PATH or scope["method"] != "GET" or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        begins_trace = scope[BEGINS] = self._sampler.begins()
        answer = None if begins_trace else await self._answer(scope)
        if answer is None:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})
        self._count(answer, time.perf_counter() - began)

    async def _answer(self, scope: Scope) -> Answer | None:
        """Return the answer to a plain question about a session that is open, else None."""
        given = dict(scope["headers"])
        if len(given) != len(scope["headers"]) or b"traceparent" in given or (token := self._token(given)) is None:
            return None
        if (limited := self._limited(scope)) is None:
            return None
        held, is_hit = self._reads.sessions.held(token_hash(token)), True
        if held is None and limited:  # a guess, perhaps: all gateways count it before anybody is asked
            return None
        if held is None:
            held, is_hit = await self._read(scope, token)
        now = self._wall()
        if held is None:
            return None
        if held.ends <= now or held.slides <= now:
            scope.pop(OUTCOME, None)
            return None
        if limited:
            self._windows.count(limited, self._limit, self._windows.monotonic())
        body, request_id = held.head + token.encode() + held.tail, self._request_id(given)
        return Answer(self._dressed(given, request_id, len(body)), body, request_id, held.answer.user.id, is_hit)

    async def _read(self, scope: Scope, token: str) -> tuple[HeldSession | None, bool]:
        """Read a session that is not held here, and say whether the cache service knew it.

        None where there is none, nobody can tell, or too many wait already. The long way is told what came of it, and
        does not ask again.
        """
        if self._reading >= MAX_READING:
            return None, False
        self._reading += 1
        scope[OUTCOME] = None
        try:
            return await self._reads.held_session(token)
        except grpc.aio.AioRpcError as error:
            scope[OUTCOME] = error
            return None, False
        finally:
            self._reading -= 1

    def _dressed(self, given: dict[bytes, bytes], request_id: bytes, length: int) -> list[Header]:
        headers = [*self._headers, (b"x-request-id", request_id), (b"content-length", b"%d" % length)]
        if (origin := given.get(b"origin", b"").decode("latin-1")) and self._origins.trusts(origin):
            headers += allowed(origin)
        return headers

    def _count(self, answer: Answer, seconds: float) -> None:
        self._duration.observe(seconds)
        self._handled.value += 1
        stands_for = 1
        if answer.is_hit:
            self._hits += 1
            if self._hits % self._log_every != 1 % self._log_every:
                return
            stands_for = self._log_every
        exchange = Exchange(answer.request_id.decode("latin-1"), PATH, answer.user_id, status=200, is_hit=answer.is_hit)
        began_ns = time.time_ns() - int(seconds * 1e9)
        self._request_log.add(entry_of(exchange, "GET", began_ns, seconds, stands_for=stands_for))

    def _token(self, given: dict[bytes, bytes]) -> str | None:
        """Return the token of the bearer header, or of the first session cookie if it is spelt as ours are."""
        if bearer := given.get(b"authorization"):
            token = self._cookies.bearer(bearer.decode("latin-1"))
        else:
            token = self._cookies.signer.unsign(self._signed(given.get(b"cookie", b"")))
        return token if token is not None and PLAIN.fullmatch(token) else None

    def _signed(self, cookie: bytes) -> str:
        # Only as browsers write it, and once: of two the long way says which counts.
        start = 0 if cookie.startswith(self._cookie) else cookie.find(b"; " + self._cookie) + 2
        if start == 1 or cookie.count(self._cookie) > 1:
            return ""
        value, _, _ = cookie[start + len(self._cookie) :].partition(b";")
        return value.replace(b"%2B", b"+").replace(b"%2F", b"/").replace(b"%3D", b"=").decode("latin-1")

    def _request_id(self, given: dict[bytes, bytes]) -> bytes:
        sent = given.get(b"x-request-id", b"")
        return sent if ACCEPTED.fullmatch(sent.decode("latin-1")) else next(self._request_ids)

    def _limited(self, scope: Scope) -> str | None:
        """Return what the request counts against, empty where limits are off; None if there is no more of it.

        This process's own window is enough for who has a live session; what opens none is counted on the long way.
        """
        if not self._is_limited:
            return ""
        subject = f"path|{limit_subject(client_address(scope, self._proxies))}|{ROUTE}"
        return None if self._windows.wait(subject, self._limit) else subject


def _request_ids() -> "itertools.chain[bytes]":
    """Yield names for requests, as long as ids are: a random beginning, and a number."""
    return itertools.chain.from_iterable(
        (beginning + b"%06d" % number for number in range(REQUEST_IDS))
        for beginning in iter(lambda: new_id()[:26].encode(), None)
    )
