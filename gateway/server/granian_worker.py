"""Granian's ASGI worker, changed so that the thread that reads requests can answer them off the event loop.

The way to the loop's thread and back takes two wake-ups and two switches of the interpreter lock: more than a session
check costs.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from granian._futures import _future_watcher_wrapper
from granian._granian import ASGIWorker, CallbackScheduler
from granian.asgi import _callback_wrapper
from starlette.types import ASGIApp, Message, Scope

from gateway.server.granian_version import BatchedHandler, FastHandlers, OffLoopHandler

logger = logging.getLogger(__name__)


class Scheduler(CallbackScheduler):
    """Hands a request to the event loop, unless it is answered off the loop. There a task runs the application."""

    __slots__ = ()

    def __new__(cls, loop: asyncio.AbstractEventLoop, run: Any, _fast: FastHandlers) -> "Scheduler":
        return super().__new__(cls, loop, run, None, None, None)  # type: ignore[call-arg]  # granian's types lag behind

    def __init__(self, loop: asyncio.AbstractEventLoop, run: Any, fast: FastHandlers) -> None:
        super().__init__()
        context = self._ctx
        off_loop, batched = fast.off_loop or _never, fast.batched or _never_later

        waiting: deque[Any] = deque()

        def start(watcher: Any) -> None:
            watcher.taskref(loop.create_task(run(watcher), context=context.copy()))

        def begin() -> None:
            while waiting:
                watcher = waiting.popleft()
                if not _taken(watcher, batched, start):
                    start(watcher)

        def schedule(watcher: Any) -> None:
            if not _answered(watcher, off_loop):
                waiting.append(watcher)
                if len(waiting) == 1:  # else the loop is awake already, for earlier requests
                    loop.call_soon_threadsafe(begin, context=context)

        self._schedule_fn = schedule


def _never(_: Scope) -> None:
    return None


def _never_later(_: Scope, _then: Any) -> bool:
    return False


def _answered(watcher: Any, off_loop: OffLoopHandler) -> bool:
    try:
        answer = off_loop(watcher.scope)
    except Exception:  # granian's thread must not end: the loop answers, and the error handler logs its failure
        logger.exception("unexpected failure of the fast path: the event loop answers the request")
        return False
    if answer is None:
        return False
    _send(watcher, answer)
    return True


def _taken(watcher: Any, batched: BatchedHandler, start: Callable[[Any], None]) -> bool:
    def then(answer: tuple[Message, Message] | None) -> None:
        if answer is None:
            start(watcher)
        else:
            _send(watcher, answer)

    try:
        return batched(watcher.scope, then)
    except Exception:  # the requests behind it go on
        logger.exception("unexpected failure of the fast path: the application answers the request")
        return False


def _send(watcher: Any, answer: tuple[Message, Message]) -> None:
    for message in answer:
        watcher.proto.send(message)
    watcher.done()


async def work(
    app: ASGIApp,
    fast: FastHandlers,
    worker_id: int,
    stop: Any,
    sockets: tuple[Any, Any],
    loop: asyncio.AbstractEventLoop,
    *settings: Any,
) -> None:
    """Serve until `stop` is set. `settings` are the arguments of granian's own ASGI worker, in its order."""
    *runtime, _task_kind, mode, http1, http2, websockets, static, _log_format, tls, scope_options = settings
    stopped = loop.create_future()
    stop.add_cb(lambda: loop.call_soon_threadsafe(stopped.set_result, None))
    granted = (worker_id, sockets, None, *runtime, mode, http1, http2, websockets, static, *tls, (None, None))
    worker: Any = ASGIWorker(*granted)
    run = _future_watcher_wrapper(_callback_wrapper(app, scope_options, {}))  # type: ignore[no-untyped-call]  # granian's
    worker.serve_async(Scheduler(loop, run, fast), loop, stop)
    await stopped
