"""Plain checks of a session: a GET of get-session that asks for nothing else, and what is answered to it.

Whatever is no plain question goes the long way, which answers the same.
"""

import random
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from starlette.types import Message, Scope

from gateway.auth.protocol.endpoint import BASE_PATH
from gateway.auth.routes.sessions import GET_SESSION
from gateway.deps import Deps
from gateway.http.client_address import forwarded_for, limit_subject, peer_of
from gateway.http.request_context import Exchange, Header
from gateway.http.router import raw_path
from gateway.middleware.access_log import entry_of
from gateway.middleware.cors import VARY, allowed
from gateway.middleware.host_header import HOST
from gateway.middleware.request_id import ACCEPTED
from gateway.middleware.security_headers import on_every_answer
from gateway.middleware.trace import BEGINS, sampler_of
from gateway.sessions.cached_session import HeldSession
from runtime.ids import token_hash
from runtime.telemetry.metrics import CounterSeries, HistogramSeries
from trivet.notifications.v1.log_service_pb2 import LogEntry

ROUTE = GET_SESSION.path
PATH = f"{BASE_PATH}{ROUTE}"
RAW_PATH = PATH.encode()
NOT_PLAIN = frozenset({b"traceparent", b"content-encoding", b"transfer-encoding", b"expect"})
"""Headers that say more than a plain check does: a trace, or a body."""
PLAIN = re.compile("[a-zA-Z0-9]+")
"""Tokens that JSON spells as they are."""
MAX_REMEMBERED = 4_096
"""So many proofs are remembered, good and bad ones, whose headers have so many bytes at most: some 6 MB."""
MAX_REMEMBERED_BYTES = 1_024
MAX_CLIENTS = 8_192
MAX_FORWARDED_BYTES = 128
"""The most client addresses that are kept as rate limits count them, some 4 MB: parsing one costs more than a check."""
_CHECK = "trivet.plain_check"


class PlainCheck(NamedTuple):
    """The token that a request proves to hold and its hash; the other headers that matter; and if it is traced."""

    token: str
    key: str
    is_bare: bool
    request_id: bytes
    origin: str
    forwarded: bytes
    begins_trace: bool


class PlainChecks:
    """Tells plain checks from other requests, and makes the answer to one."""

    def __init__(self, deps: Deps, *, wall: Callable[[], float] = time.time) -> None:
        settings = deps.settings
        self.is_limited = settings.rate_limit_on
        self._wall = wall
        self._cookies = deps.reads.cookies
        self._origins = deps.origins
        self._windows = deps.windows
        self._proxies = settings.trusted_proxies
        self._limit = GET_SESSION.limit
        self._sampler = sampler_of(settings.trace_ratio)
        # Secrets are those of the process: with others there is another one, and nothing is remembered.
        self._remembered = lru_cache(maxsize=MAX_REMEMBERED)(self._proved)
        self._subject = lru_cache(maxsize=MAX_CLIENTS)(self._subject_of)
        self._headers: list[Header] = [
            (b"content-type", b"application/json"),
            *on_every_answer(https=settings.base_url.startswith("https:")),
            *GET_SESSION.headers,
            VARY,
        ]

    def of(self, scope: Scope) -> PlainCheck | None:
        """Return what a request asks, None if it is no plain check; the scope keeps the answer."""
        if scope["path"] != PATH or scope["method"] != "GET" or scope["query_string"] or raw_path(scope) != RAW_PATH:
            return None
        if _CHECK not in scope:
            scope[_CHECK] = self._asked(scope["headers"], begins_trace=scope.setdefault(BEGINS, self._sampler.begins()))
        check: PlainCheck | None = scope[_CHECK]
        return check

    def may_open(self, held: HeldSession) -> bool:
        """Whether a session is open now and is not to be slid."""
        now = self._wall()
        return now < held.ends and now < held.slides

    def takes(self, scope: Scope, check: PlainCheck) -> bool:
        """Whether the limits allow one more check from this address: this process's own window says so."""
        return not (self.is_limited and self._windows.take(f"path|{self.subject(scope, check)}|{ROUTE}", self._limit))

    def subject(self, scope: Scope, check: PlainCheck) -> str:
        """Return the client as limits count it."""
        forwarded = check.forwarded if self._proxies else b""
        subject = self._subject if len(forwarded) <= MAX_FORWARDED_BYTES else self._subject_of
        return subject(peer_of(scope), forwarded)

    def answer(self, check: PlainCheck, held: HeldSession, request_id: bytes, *more: Header) -> tuple[Message, Message]:
        """Return the two messages that answer a check, with more headers if there are any."""
        body = held.head + check.token.encode() + held.tail
        headers = [*self._headers, (b"x-request-id", request_id), (b"content-length", b"%d" % len(body)), *more]
        if check.origin and self._origins.trusts(check.origin):
            headers += allowed(check.origin)
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        return start, {"type": "http.response.body", "body": body}

    def _asked(self, headers: list[Header], *, begins_trace: bool) -> PlainCheck | None:
        given = dict(headers)
        if (
            len(given) != len(headers)
            or not given.keys().isdisjoint(NOT_PLAIN)
            or given.get(b"content-length", b"0") != b"0"
            or not HOST.fullmatch(given.get(b"host", b" "))
        ):
            return None
        authorization, cookie = given.get(b"authorization", b""), given.get(b"cookie", b"")
        remembered = len(authorization) + len(cookie) <= MAX_REMEMBERED_BYTES
        if (proved := (self._remembered if remembered else self._proved)(authorization, cookie)) is None:
            return None
        sent = given.get(b"x-request-id", b"")
        request_id = sent if sent and ACCEPTED.fullmatch(sent.decode("latin-1")) else b""
        origin, forwarded = given.get(b"origin", b"").decode("latin-1"), given.get(b"x-forwarded-for", b"")
        return PlainCheck(*proved, request_id, origin, forwarded, begins_trace)

    def _subject_of(self, peer: str, forwarded: bytes) -> str:
        return limit_subject(forwarded_for(peer, [forwarded] if forwarded else [], self._proxies))

    def _proved(self, authorization: bytes, cookie: bytes) -> tuple[str, str, bool] | None:
        """Return the token that these headers prove to hold, its hash, and whether it comes without our signature."""
        sent = authorization.decode("latin-1")
        token = self._cookies.token_in(sent, (cookie.decode("latin-1"),))
        if token is None or not PLAIN.fullmatch(token):
            return None
        return token, token_hash(token), self._cookies.holds_bare(sent)


class Ledger:
    """Names and counts the answers of one thread; the request log is told one in so many of those that a cache gave."""

    def __init__(
        self, handled: CounterSeries, duration: HistogramSeries, tell: Callable[[LogEntry], None], *, hits_every: int
    ) -> None:
        self._handled = handled
        self._duration = duration
        self._tell = tell
        self._hits_every = hits_every
        self._hits = 0

    def name(self, check: PlainCheck) -> bytes:
        """Return what a request is named: as it says, or a name of its own."""
        return check.request_id or b"%032x" % random.getrandbits(128)  # a name, and no secret

    def count(
        self, held: HeldSession, request_id: bytes, seconds: float, *, is_hit: bool, traced: Exchange | None = None
    ) -> None:
        """Count an answer that took so long, and was recorded as this if it was."""
        self._duration.observe(seconds)
        self._handled.value += 1
        stands_for = 1
        if is_hit:
            self._hits += 1
            if self._hits % self._hits_every != 1 % self._hits_every:
                return
            stands_for = self._hits_every
        exchange = traced or exchange_of_check(request_id)
        exchange.user_id, exchange.is_hit = held.answer.user.id, is_hit
        began_ns = time.time_ns() - int(seconds * 1e9)
        self._tell(entry_of(exchange, "GET", began_ns, seconds, stands_for=stands_for))


def exchange_of_check(request_id: bytes) -> Exchange:
    """Return what is told of a check that was answered."""
    return Exchange(request_id.decode("latin-1"), PATH, status=200)
