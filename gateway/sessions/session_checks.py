"""GET /api/auth/get-session, answered before all that is done around other requests.

What is held in memory is answered by the thread that has read the request: no call, nothing encoded, one signature
checked, and the event loop hears nothing of it. A session that is not held yet is read on the loop.
"""

import asyncio
import time

import grpc
from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.deps import Deps
from gateway.http.errors import Refused
from gateway.middleware.metrics import duration, handled
from gateway.middleware.trace import TRACER, record
from gateway.sessions.cached_session import HeldSession
from gateway.sessions.fast_path import PATH, Ledger, PlainCheck, PlainChecks, exchange_of_check
from gateway.sessions.request_session import OUTCOME
from gateway.sessions.token_guesses import BARE, SIGNED
from trivet.notifications.v1.log_service_pb2 import LogEntry

SERIES = ("GET", PATH, 200)
MAX_READING = 512
"""So many reads at a time: more go the long way, where too much is refused."""


class HeldChecks:
    """Answers plain checks of sessions that are held, in a thread that is not the loop's."""

    def __init__(self, deps: Deps, loop: asyncio.AbstractEventLoop) -> None:
        def tell(entry: LogEntry) -> None:
            loop.call_soon_threadsafe(deps.request_log.add, entry)

        self._checks = PlainChecks(deps)
        self._tracer = trace.get_tracer(TRACER)
        self._sessions = deps.reads.sessions
        self._ledger = Ledger(
            handled.per_thread(*SERIES), duration.per_thread(PATH), tell, hits_every=deps.settings.log_hits_every
        )

    def __call__(self, scope: Scope) -> tuple[Message, Message] | None:
        """Return the answer to a request; None if it is the loop's."""
        began = time.perf_counter()
        checks = self._checks
        if (check := checks.of(scope)) is None or (held := self._sessions.held(check.key)) is None:
            return None
        if not checks.may_open(held) or not checks.takes(scope, check):
            return None
        request_id = self._ledger.name(check)
        traced = exchange_of_check(request_id) if check.begins_trace else None
        recorded = (record(self._tracer, "GET", traced),) if traced else ()
        answer = checks.answer(check, held, request_id, *recorded)
        self._ledger.count(held, request_id, time.perf_counter() - began, is_hit=True, traced=traced)
        return answer


class SessionChecks:
    """Answers plain checks of sessions that are open; everything else goes on to the application."""

    def __init__(self, app: ASGIApp, deps: Deps) -> None:
        self._app = app
        self._checks = PlainChecks(deps)
        self._reads = deps.reads
        self._guesses = deps.guesses
        self._reading = 0
        self._ledger = Ledger(
            handled.of(*SERIES), duration.of(PATH), deps.request_log.add, hits_every=deps.settings.log_hits_every
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        check = self._checks.of(scope)
        # What is traced has its span on the long way, and below it those of whoever is asked.
        held, is_hit = await self._found(scope, check) if check and not check.begins_trace else (None, False)
        if check is None or held is None:
            await self._app(scope, receive, send)
            return
        request_id = self._ledger.name(check)
        for message in self._checks.answer(check, held, request_id):
            await send(message)
        self._ledger.count(held, request_id, time.perf_counter() - began, is_hit=is_hit)

    async def _found(self, scope: Scope, check: PlainCheck) -> tuple[HeldSession | None, bool]:
        """Return the session if it is open, and whether a cache knew it; None where the long way is to answer."""
        if not self._checks.takes(scope, check):
            return None, False
        held, is_hit = self._reads.sessions.held(check.key), True
        if held is None:
            held, is_hit = await self._read(scope, check)
        if held is not None and not self._checks.may_open(held):
            scope.pop(OUTCOME, None)
            return None, False
        return held, is_hit

    async def _read(self, scope: Scope, check: PlainCheck) -> tuple[HeldSession | None, bool]:
        """Read a session that is not held here, and say whether the cache service knew it.

        None where there is none, it cannot be known, or too many wait already. The long way is told what came of it,
        and does not ask again.
        """
        if self._reading >= MAX_READING:
            return None, False
        is_hit = False

        async def ask() -> HeldSession | None:
            nonlocal is_hit
            held, is_hit = await self._reads.held_session(check.token)
            return held

        self._reading += 1
        scope[OUTCOME] = None
        try:
            if self._guesses is None:
                return await ask(), is_hit
            subject = self._checks.subject(scope, check)
            return await self._guesses.counted_of(subject, ask, rule=BARE if check.is_bare else SIGNED), is_hit
        except Refused:  # the long way says so
            del scope[OUTCOME]
            return None, False
        except grpc.aio.AioRpcError as error:
            scope[OUTCOME] = error
            return None, False
        finally:
            self._reading -= 1
