"""Recognizes the session checks that the fast path can answer, and makes their answers."""

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
from gateway.http.request_context import Header
from gateway.http.router import raw_path
from gateway.middleware.cors import VARY, allowed
from gateway.middleware.host_header import HOST
from gateway.middleware.request_id import ACCEPTED
from gateway.middleware.security_headers import on_every_answer
from gateway.middleware.trace import BEGINS, sampler_of
from gateway.sessions.cached_session import CachedSession
from runtime.ids import token_hash

ROUTE = GET_SESSION.path
PATH = f"{BASE_PATH}{ROUTE}"
RAW_PATH = PATH.encode()
OTHER_HEADERS = frozenset({b"traceparent", b"content-encoding", b"transfer-encoding", b"expect"})
"""Headers with which a request is not for the fast path: it is traced, or has a body."""
PLAIN_TOKEN = re.compile("[a-zA-Z0-9]+")
"""Tokens that JSON does not escape."""
MAX_PROOFS = 4_096
"""The most headers whose verified token is cached, also if they have none: some 6 MB."""
MAX_PROOF_BYTES = 1_024
MAX_CLIENTS = 8_192
"""The most client addresses that are cached as rate limits count them: some 4 MB. Parsing an address is expensive."""
MAX_FORWARDED_BYTES = 128
"""Longer addresses are not cached."""
_CHECK = "trivet.session_check"


class SessionCheck(NamedTuple):
    """A request for the fast path: its verified token, the token's hash, and the headers that the answer depends on."""

    token: str
    key: str
    is_bare: bool
    request_id: bytes
    origin: str
    forwarded: bytes
    begins_trace: bool


class SessionChecks:
    """Recognizes the requests for the fast path, and makes their answers."""

    def __init__(self, deps: Deps, *, wall: Callable[[], float] = time.time) -> None:
        settings = deps.settings
        self.is_limited = settings.rate_limit_on
        self._wall = wall
        self._cookies = deps.reader.cookies
        self._origins = deps.origins
        self._rate_limiter = deps.rate_limiter
        self._proxies = settings.trusted_proxies
        self._limit = GET_SESSION.limit
        self._sampler = sampler_of(settings.trace_ratio)
        # The secret never changes in a process, so a proof stays valid.
        self._remembered_proof = lru_cache(maxsize=MAX_PROOFS)(self._proof)
        self._remembered_subject = lru_cache(maxsize=MAX_CLIENTS)(self._subject)
        self._headers: list[Header] = [
            (b"content-type", b"application/json"),
            *on_every_answer(https=settings.base_url.startswith("https:")),
            *GET_SESSION.headers,
            VARY,
        ]

    def of(self, scope: Scope) -> SessionCheck | None:
        """Return the check of a request, None if the request is not for the fast path. The scope keeps the result."""
        if scope["path"] != PATH or scope["method"] != "GET" or scope["query_string"] or raw_path(scope) != RAW_PATH:
            return None
        if _CHECK not in scope:
            scope[_CHECK] = self._read(scope["headers"], begins_trace=scope.setdefault(BEGINS, self._sampler.begins()))
        check: SessionCheck | None = scope[_CHECK]
        return check

    def is_open(self, cached: CachedSession) -> bool:
        """Whether a session is open, and its end need not be moved now."""
        now = self._wall()
        return now < cached.ends and now < cached.slides

    def is_allowed(self, scope: Scope, check: SessionCheck) -> bool:
        """Count the check. Returns whether the rate limit of this process allows it."""
        if not self.is_limited:
            return True
        return not self._rate_limiter.acquire(f"path|{self.subject(scope, check)}|{ROUTE}", self._limit)

    def subject(self, scope: Scope, check: SessionCheck) -> str:
        """Return the client as rate limits count it."""
        forwarded = check.forwarded if self._proxies else b""
        subject = self._remembered_subject if len(forwarded) <= MAX_FORWARDED_BYTES else self._subject
        return subject(peer_of(scope), forwarded)

    def answer(
        self, check: SessionCheck, cached: CachedSession, request_id: bytes, *more: Header
    ) -> tuple[Message, Message]:
        """Return the two messages of the answer, with additional headers."""
        body = cached.head + check.token.encode() + cached.tail
        headers = [*self._headers, (b"x-request-id", request_id), (b"content-length", b"%d" % len(body)), *more]
        if check.origin and self._origins.trusts(check.origin):
            headers += allowed(check.origin)
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        return start, {"type": "http.response.body", "body": body}

    def _read(self, headers: list[Header], *, begins_trace: bool) -> SessionCheck | None:
        given = dict(headers)
        if (
            len(given) != len(headers)
            or not given.keys().isdisjoint(OTHER_HEADERS)
            or given.get(b"content-length", b"0") != b"0"
            or not HOST.fullmatch(given.get(b"host", b" "))
        ):
            return None
        authorization, cookie = given.get(b"authorization", b""), given.get(b"cookie", b"")
        prove = self._remembered_proof if len(authorization) + len(cookie) <= MAX_PROOF_BYTES else self._proof
        if (proof := prove(authorization, cookie)) is None:
            return None
        sent = given.get(b"x-request-id", b"")
        request_id = sent if sent and ACCEPTED.fullmatch(sent.decode("latin-1")) else b""
        origin, forwarded = given.get(b"origin", b"").decode("latin-1"), given.get(b"x-forwarded-for", b"")
        return SessionCheck(*proof, request_id, origin, forwarded, begins_trace)

    def _subject(self, peer: str, forwarded: bytes) -> str:
        return limit_subject(forwarded_for(peer, [forwarded] if forwarded else [], self._proxies))

    def _proof(self, authorization: bytes, cookie: bytes) -> tuple[str, str, bool] | None:
        """Return the token that the headers prove to hold, its hash, and whether it has no signature of ours."""
        sent = authorization.decode("latin-1")
        token = self._cookies.token_in(sent, (cookie.decode("latin-1"),))
        if token is None or not PLAIN_TOKEN.fullmatch(token):
            return None
        return token, token_hash(token), self._cookies.holds_bare(sent)
