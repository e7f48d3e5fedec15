"""Granian's ASGI worker, changed so that the thread that reads requests can answer them off the event loop.

The way to the loop's thread and back takes two wake-ups and two switches of the interpreter lock: more than a session
check costs.
"""

import asyncio
import logging
from collections import deque
from typing import Any

from granian._futures import _future_watcher_wrapper
from granian._granian import ASGIWorker, CallbackScheduler
from granian.asgi import _callback_wrapper
from starlette.types import ASGIApp

from gateway.server.granian_version import OffLoopHandler

logger = logging.getLogger(__name__)


class Scheduler(CallbackScheduler):
    """Hands a request to the event loop, unless it is answered off the loop."""

    __slots__ = ()

    def __new__(cls, loop: asyncio.AbstractEventLoop, run: Any, _off_loop: OffLoopHandler) -> "Scheduler":
        return super().__new__(cls, loop, run, None, None, None)  # type: ignore[call-arg]  # granian's types lag behind

    def __init__(self, loop: asyncio.AbstractEventLoop, run: Any, off_loop: OffLoopHandler) -> None:
        super().__init__()
        context = self._ctx

        waiting: deque[Any] = deque()

        def begin() -> None:
            while waiting:
                watcher = waiting.popleft()
                watcher.taskref(loop.create_task(run(watcher)))

        def schedule(watcher: Any) -> None:
            if not _answered(watcher, off_loop):
                waiting.append(watcher)
                if len(waiting) == 1:  # else the loop is awake already, for earlier requests
                    loop.call_soon_threadsafe(begin, context=context)

        self._schedule_fn = schedule


def _answered(watcher: Any, off_loop: OffLoopHandler) -> bool:
    try:
        answer = off_loop(watcher.scope)
    except Exception:  # granian's thread must not end: the loop answers, and the error handler logs its failure
        logger.exception("unexpected failure of the fast path: the event loop answers the request")
        return False
    if answer is None:
        return False
    for message in answer:
        watcher.proto.send(message)
    watcher.done()
    return True


async def work(
    app: ASGIApp,
    off_loop: OffLoopHandler,
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
    worker.serve_async(Scheduler(loop, run, off_loop), loop, stop)
    await stopped
