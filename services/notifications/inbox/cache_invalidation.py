"""The answers that caches hold of a user: dropped after each change of what they tell."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import Counter

from runtime import failpoints
from runtime.errors import DeliveryRejectedError, ServiceError, Unavailable
from runtime.periodic import periodically
from runtime.rpc.cached_rpcs import KEY
from runtime.tasks import Tasks, TooManyTasksError
from trivet.client.deadline import remaining, within

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.2
AGAIN_SECONDS = 1.0
OWED_SECONDS = 45.0
"""How long an answer from before a change may be cached: its entry's 30 s, and what reading it took, 10 s at most."""
MAX_OWED = 10_000
BATCH = 100

unconfirmed = Counter("trivet_answers_unconfirmed_total", "Tries to have cached answers dropped that nobody confirmed.")
lost = Counter("trivet_answers_lost_total", "Answers that were left in caches until they were too old.")

T = TypeVar("T")


Invalidate = Callable[[Sequence[str]], Awaitable[bool]]
"""Drops what caches made of the tags; returns whether all of them have confirmed.

Raises ServiceError when the cache cannot be reached, DeliveryRejectedError when it does not take these tags.
"""


def unread_tag(user_id: str) -> str:
    """Return the tag of what caches hold of a user's unread count."""
    return f"unread:{user_id}"


def preferences_tag(user_id: str) -> str:
    """Return the tag of what caches hold of a user's preferences."""
    return f"preferences:{user_id}"


class Answers:
    """Answers that nobody keeps."""

    async def settle(self, tags: Sequence[str], write: Callable[[], Awaitable[T]]) -> T:
        """Do a write that may change what is told under the tags. Raises what the write raises."""
        return await write()


NOT_KEPT = Answers()


@dataclass(frozen=True, eq=False, slots=True)
class _Debt:
    """What is to be dropped, and until when it matters by the monotonic clock; each change makes a new one."""

    until: float


class CachedAnswers(Answers):
    """Answers that caches keep.

    What was not confirmed is told again, every second, for as long as an old answer might be kept. A crash
    forgets them: then the age of an entry is the bound.
    """

    def __init__(self, invalidate: Invalidate, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._invalidate = invalidate
        self._monotonic = monotonic
        self._tasks = Tasks("cached answers")
        self._owed: dict[str, _Debt] = {}
        self._refusal = ""

    async def settle(self, tags: Sequence[str], write: Callable[[], Awaitable[T]]) -> T:
        """Do the write and then have the answers dropped, in a task of its own: the caller's cancel skips neither.

        They are dropped also when nobody can tell whether the write was done. The call waits 200 ms at most for the
        caches. Raises what the write raises, and Unavailable (TOO_MANY_WRITES) without having begun it.
        """
        left = remaining(math.inf)
        try:
            task = self._tasks.start(self._settled(tags, write, left))
        except TooManyTasksError:
            raise Unavailable("TOO_MANY_WRITES", "too many writes are under way: try again") from None
        outcome = await asyncio.shield(task)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def _settled(self, tags: Sequence[str], write: Callable[[], Awaitable[T]], left: float) -> T | ServiceError:
        try:
            with within(left):
                return await write()
        except ServiceError as error:  # as a value: a call that fails is no background work that failed
            return error
        finally:
            await failpoints.reach("notifications.after_write")
            await self._drop([tag for tag in tags if KEY.fullmatch(tag)])  # no entry has another

    async def _drop(self, tags: Sequence[str]) -> None:
        for tag in tags:
            self._owed.pop(tag, None)  # the newest comes last
            if len(self._owed) >= MAX_OWED:
                del self._owed[next(iter(self._owed))]
                lost.inc()
            self._owed[tag] = _Debt(self._monotonic() + OWED_SECONDS)
        if tags:
            with contextlib.suppress(TooManyTasksError):
                await asyncio.wait({self._tasks.start(self._tell(tags))}, timeout=WAIT_SECONDS)

    async def _tell(self, tags: Sequence[str]) -> bool:
        """Have what is made of the tags dropped; return whether that was confirmed."""
        told = {tag: self._owed.get(tag) for tag in tags}
        try:
            if not await self._invalidate(tags):
                raise Unavailable("UNCONFIRMED", "not every cache has confirmed")
        except ServiceError:
            unconfirmed.inc()
            return False
        except DeliveryRejectedError as error:
            unconfirmed.inc()
            if self._refusal != (refusal := str(error)):
                logger.error("the cache refuses to drop answers, they are told again: %s", refusal)
                self._refusal = refusal
            return False
        self._refusal = ""
        for tag, debt in told.items():
            if self._owed.get(tag) is debt:  # and no later change is owed
                self._owed.pop(tag, None)
        return True

    async def relay(self) -> None:
        """Tell once more of whatever is not confirmed yet; what no cache can hold any more is forgotten."""
        now = self._monotonic()
        for tag in [tag for tag, debt in self._owed.items() if debt.until <= now]:
            del self._owed[tag]
            lost.inc()
        owed = list(self._owed)
        for first in range(0, len(owed), BATCH):
            if not await self._tell(owed[first : first + BATCH]):
                return

    @asynccontextmanager
    async def running(self, grace: float) -> AsyncIterator[None]:
        """Relay while inside; at the end, what is under way has `grace` seconds to finish."""
        async with periodically("relay of dropped answers", AGAIN_SECONDS, self.relay, longest=AGAIN_SECONDS):
            try:
                yield
            finally:
                await self._tasks.drain(grace)
