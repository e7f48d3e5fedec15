"""The session fast path: answers GET /api/auth/get-session ahead of the middlewares.

A cached session is answered on the thread that read the request: no call, no encoding, one signature check, and no
work for the event loop. A session that is not cached here is looked up in the cache service on the loop, in batches and
without a task. What the cache service does not have is read from identity. All other requests pass through, and the
middlewares and `auth/routes/sessions.py` give the same answer.
"""

import asyncio
import random
import time
from collections.abc import Callable

import grpc
from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.deps import Deps
from gateway.http.errors import ApiError
from gateway.http.request_context import RequestContext
from gateway.middleware.access_log import entry_of
from gateway.middleware.metrics import duration, handled
from gateway.middleware.trace import TRACER, record
from gateway.sessions.cached_session import CachedSession
from gateway.sessions.request_session import OUTCOME
from gateway.sessions.session_checks import PATH, SessionCheck, SessionChecks
from gateway.sessions.token_guesses import BARE, SIGNED
from runtime.telemetry.metrics import CounterSeries, HistogramSeries
from trivet.client.near.reads import TimedLookup
from trivet.notifications.v1.log_service_pb2 import LogEntry

SERIES = ("GET", PATH, 200)
MAX_READING = 512
"""The most reads at a time. Further requests pass through, and the middlewares bound them."""
LOOKED_UP = "trivet.session_lookup"
"""In the scope of a check that was counted before: its start, and its lookup if one was made."""


class Recorder:
    """Counts and logs the answers of one thread. Of cached answers, one of `hits_every` is logged."""

    def __init__(
        self, handled: CounterSeries, duration: HistogramSeries, log: Callable[[LogEntry], None], *, hits_every: int
    ) -> None:
        self._handled = handled
        self._duration = duration
        self._log = log
        self._hits_every = hits_every
        self._hits = 0

    def request_id(self, check: SessionCheck) -> bytes:
        """Return the request id that the client sent, or a new one."""
        return check.request_id or b"%032x" % random.getrandbits(128)  # an id, not a secret

    def record(
        self, cached: CachedSession, request_id: bytes, seconds: float, *, is_hit: bool, traced: RequestContext | None
    ) -> None:
        """Record an answer. `traced` is the context that was traced, if it was."""
        self._duration.observe(seconds)
        self._handled.value += 1
        stands_for = 1
        if is_hit:
            self._hits += 1
            if self._hits % self._hits_every != 1 % self._hits_every:
                return
            stands_for = self._hits_every
        context = traced or context_of_check(request_id)
        context.user_id, context.is_hit = cached.answer.user.id, is_hit
        began_ns = time.time_ns() - int(seconds * 1e9)
        self._log(entry_of(context, "GET", began_ns, seconds, stands_for=stands_for))


def context_of_check(request_id: bytes) -> RequestContext:
    """Return the context of a check that was answered."""
    return RequestContext(request_id.decode("latin-1"), PATH, status=200)


class OffLoopFastPath:
    """Answers checks of cached sessions off the event loop, on the thread that read the request."""

    def __init__(self, deps: Deps, loop: asyncio.AbstractEventLoop) -> None:
        def log(entry: LogEntry) -> None:
            loop.call_soon_threadsafe(deps.access_log.add, entry)

        self._checks = SessionChecks(deps)
        self._tracer = trace.get_tracer(TRACER)
        self._sessions = deps.reader.sessions
        self._recorder = Recorder(
            handled.per_thread(*SERIES), duration.per_thread(PATH), log, hits_every=deps.settings.log_hits_every
        )

    def __call__(self, scope: Scope) -> tuple[Message, Message] | None:
        """Return the answer to a request, None if the event loop is to answer it."""
        began = time.perf_counter()
        checks = self._checks
        if (check := checks.of(scope)) is None or (cached := self._sessions.peek(check.key)) is None:
            return None
        if not checks.is_open(cached) or not checks.is_allowed(scope, check):
            return None
        request_id = self._recorder.request_id(check)
        traced = context_of_check(request_id) if check.begins_trace else None
        headers = (record(self._tracer, "GET", traced),) if traced else ()
        answer = checks.answer(check, cached, request_id, *headers)
        self._recorder.record(cached, request_id, time.perf_counter() - began, is_hit=True, traced=traced)
        return answer


class FastPath:
    """The middleware: answers checks of open sessions on the event loop. All other requests go on."""

    def __init__(self, app: ASGIApp, deps: Deps) -> None:
        self._app = app
        self._checks = SessionChecks(deps)
        self._reader = deps.reader
        self._token_guesses = deps.token_guesses
        self._reading = 0
        self._recorder = Recorder(
            handled.of(*SERIES), duration.of(PATH), deps.access_log.add, hits_every=deps.settings.log_hits_every
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        before = scope.pop(LOOKED_UP, None)
        began, looked = before or (time.perf_counter(), None)
        check = self._checks.of(scope)
        # The span of a traced request, with those of its calls below it, is made by the middlewares.
        cached, is_hit = (
            await self._find(scope, check, looked, is_counted=before is not None)
            if check and not check.begins_trace
            else (None, False)
        )
        if check is None or cached is None:
            await self._app(scope, receive, send)
            return
        request_id = self._recorder.request_id(check)
        for message in self._checks.answer(check, cached, request_id):
            await send(message)
        self._recorder.record(cached, request_id, time.perf_counter() - began, is_hit=is_hit, traced=None)

    async def _find(
        self, scope: Scope, check: SessionCheck, looked: TimedLookup | None, *, is_counted: bool
    ) -> tuple[CachedSession | None, bool]:
        """Return the session if it is open, and whether it was cached. Returns None if the application is to answer."""
        if not is_counted and not self._checks.is_allowed(scope, check):
            return None, False
        cached, is_hit = self._reader.sessions.peek(check.key), True
        if cached is None:
            cached, is_hit = await self._read(scope, check, looked)
        if cached is not None and not self._checks.is_open(cached):
            scope.pop(OUTCOME, None)
            return None, False
        return cached, is_hit

    async def _read(
        self, scope: Scope, check: SessionCheck, looked: TimedLookup | None
    ) -> tuple[CachedSession | None, bool]:
        """Read a session through the cache service, and say whether it was cached there.

        Returns None if there is no session, it cannot be read, or too many reads are in flight. The scope keeps the
        outcome, so that the application does not read again.
        """
        if self._reading >= MAX_READING:
            return None, False
        is_hit = False

        async def ask() -> CachedSession | None:
            nonlocal is_hit
            cached, is_hit = await self._reader.cached_session(check.token, looked)
            return cached

        self._reading += 1
        scope[OUTCOME] = None
        try:
            if self._token_guesses is None:
                return await ask(), is_hit
            subject, rule = self._checks.subject(scope, check), BARE if check.is_bare else SIGNED
            return await self._token_guesses.counted_of(subject, ask, rule=rule), is_hit
        except ApiError:  # the application raises it again
            del scope[OUTCOME]
            return None, False
        except grpc.aio.AioRpcError as error:
            scope[OUTCOME] = error
            return None, False
        finally:
            self._reading -= 1
