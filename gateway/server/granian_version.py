"""What is answered off_loop of the event loop, and with which granian that can be done."""

import logging
from collections.abc import Callable
from importlib.metadata import version

from starlette.types import Message, Scope

logger = logging.getLogger(__name__)

OffLoopHandler = Callable[[Scope], tuple[Message, Message] | None]
"""Returns a whole answer, or None; called in a thread that must not wait."""

GRANIAN = "2.8.7"
"""The version whose inner parts `granian_worker.py` stands on, and is tested with."""


def supports_off_loop() -> bool:
    """Whether granian's thread can be made to answer. Another version serves everything on the event loop."""
    installed = version("granian")
    if installed == GRANIAN:
        return True
    logger.warning(
        "session checks are answered on the event loop, which is slower: granian %s is installed, and the fast path "
        "is made for %s",
        installed,
        GRANIAN,
    )
    return False
