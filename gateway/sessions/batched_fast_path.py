"""Answers session checks from the cache service: lookups in batches, without a task for each check."""

import time
from collections.abc import Callable

from starlette.types import Message, Scope

from gateway.deps import Deps
from gateway.middleware.metrics import duration, handled
from gateway.sessions.fast_path import LOOKED_UP, MAX_READING, SERIES, Recorder
from gateway.sessions.session_checks import PATH, SessionCheck, SessionChecks
from gateway.sessions.token_guesses import BARE, SIGNED
from trivet.client.near.reads import TimedLookup


class BatchedFastPath:
    """Answers checks of sessions that the cache service has, on the event loop and without a task for each.

    A task with its coroutines costs twice as much as the lookup.
    """

    def __init__(self, deps: Deps) -> None:
        self._checks = SessionChecks(deps)
        self._sessions = deps.reader.sessions
        self._token_guesses = deps.token_guesses
        self._waiting = 0
        self._recorder = Recorder(
            handled.of(*SERIES), duration.of(PATH), deps.access_log.add, hits_every=deps.settings.log_hits_every
        )

    def __call__(self, scope: Scope, then: Callable[[tuple[Message, Message] | None], None]) -> bool:
        """Begin a lookup. `then` gets the answer. With False, or None for `then`, the application must answer."""
        began = time.perf_counter()
        check = self._checks.of(scope)
        if check is None or check.begins_trace or self._waiting >= MAX_READING:
            return False
        if self._sessions.peek(check.key) is not None:  # the middleware answers
            return False
        subject, rule = self._checks.subject(scope, check), BARE if check.is_bare else SIGNED
        if self._token_guesses is not None and not self._token_guesses.begin(subject, rule=rule):
            return False

        def looked_up(looked: TimedLookup) -> None:
            self._end(subject, rule)
            answer = None
            try:
                answer = self._answer(scope, check, began, looked)
            finally:
                then(answer)

        self._waiting += 1
        if self._checks.is_allowed(scope, check):
            if self._sessions.look_up(check.key, looked_up):
                return True
            scope[LOOKED_UP] = began, None
        self._end(subject, rule)
        return False

    def _answer(
        self, scope: Scope, check: SessionCheck, began: float, looked: TimedLookup
    ) -> tuple[Message, Message] | None:
        cached = self._sessions.hit(check.key, looked)
        if cached is None or not self._checks.is_open(cached):
            scope[LOOKED_UP] = began, looked
            return None
        request_id = self._recorder.request_id(check)
        self._recorder.record(cached, request_id, time.perf_counter() - began, is_hit=True, traced=None)
        return self._checks.answer(check, cached, request_id)

    def _end(self, subject: str, rule: str) -> None:
        self._waiting -= 1
        if self._token_guesses is not None:
            self._token_guesses.end(subject, rule=rule)
