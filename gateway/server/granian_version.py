"""Answers off the event loop: which version of granian supports them."""

import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

from starlette.types import Message, Scope

logger = logging.getLogger(__name__)

OffLoopHandler = Callable[[Scope], tuple[Message, Message] | None]
"""Returns a whole answer, or None. It is called on a thread that must not wait."""
BatchedHandler = Callable[[Scope, Callable[[tuple[Message, Message] | None], None]], bool]
"""Takes a request on the event loop, and calls back once, later: with a whole answer, or with None if the application
is to answer. Returns False if it does not take the request."""


class FastHandlers(NamedTuple):
    """What is asked before the application, in this order."""

    off_loop: OffLoopHandler | None = None
    batched: BatchedHandler | None = None


NOTHING_FAST = FastHandlers()

GRANIAN = "2.8.7"
"""The version whose internals `granian_worker.py` uses, and is tested with."""


def supports_off_loop() -> bool:
    """Whether granian's thread can answer. Another version answers everything on the event loop."""
    installed = version("granian")
    if installed == GRANIAN:
        return True
    logger.warning(
        "session checks are answered on the event loop, which is slower: granian %s is installed, the fast path "
        "needs %s",
        installed,
        GRANIAN,
    )
    return False
