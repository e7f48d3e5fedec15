"""The unread counts that caches hold: dropped after each change of what is counted."""

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
from runtime.cached_rpcs import KEY
from runtime.errors import RefusedError, ServiceError, Unavailable
from runtime.tasks import Tasks, TooManyTasksError
from trivet.client.deadline import remaining, within

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.2
AGAIN_SECONDS = 1.0
OWED_SECONDS = 45.0
"""How long a count from before a change may be cached: its entry's 30 s, and what reading it took, 10 s at most."""
MAX_OWED = 10_000
BATCH = 100

unconfirmed = Counter("trivet_unread_unconfirmed_total", "Tries to have unread counts dropped that nobody confirmed.")
lost = Counter("trivet_unread_lost_total", "Unread counts that were left in caches until they were too old.")

T = TypeVar("T")


Invalidate = Callable[[Sequence[str]], Awaitable[bool]]
"""Drops what caches made of the tags; returns whether all of them have confirmed.

Raises ServiceError when the cache cannot be reached, RefusedError when it will never take these tags.
"""


def tag_of(user_id: str) -> str:
    """Return the tag of what caches hold of a user's unread count."""
    return f"unread:{user_id}"


class Counts:
    """Unread counts that nobody keeps."""

    async def settle(self, user_id: str, write: Callable[[], Awaitable[T]]) -> T:
        """Do a write that may change a user's unread count. Raises what the write raises."""
        return await write()


NOT_KEPT = Counts()


@dataclass(frozen=True, eq=False, slots=True)
class _Debt:
    """A count that is to be dropped, and until when it matters by the monotonic clock; each change makes a new one."""

    until: float


class CachedCounts(Counts):
    """Unread counts that caches keep.

    What was not confirmed is told again, every second, for as long as an old count might be kept. A crash
    forgets them: then the age of an entry is the bound.
    """

    def __init__(self, invalidate: Invalidate, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._invalidate = invalidate
        self._monotonic = monotonic
        self._tasks = Tasks("unread counts")
        self._owed: dict[str, _Debt] = {}

    async def settle(self, user_id: str, write: Callable[[], Awaitable[T]]) -> T:
        """Do the write and then have the count dropped, in a task of its own: the caller's cancel skips neither.

        The count is dropped also when nobody can tell whether the write was done. The answer waits 200 ms at most for
        the caches. Raises what the write raises, and Unavailable (TOO_MANY_WRITES) without having begun it.
        """
        left = remaining(math.inf)
        try:
            task = self._tasks.start(self._settled(user_id, write, left))
        except TooManyTasksError:
            raise Unavailable("TOO_MANY_WRITES", "too many writes are under way: try again") from None
        outcome = await asyncio.shield(task)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def _settled(self, user_id: str, write: Callable[[], Awaitable[T]], left: float) -> T | ServiceError:
        try:
            with within(left):
                return await write()
        except ServiceError as error:  # as a value: a call that fails is no background work that failed
            return error
        finally:
            await failpoints.reach("notifications.after_write")
            await self._drop(user_id)

    async def _drop(self, user_id: str) -> None:
        if not KEY.fullmatch(tag_of(user_id)):  # no entry has such a key
            return
        self._owed.pop(user_id, None)  # the newest comes last
        if len(self._owed) >= MAX_OWED:
            del self._owed[next(iter(self._owed))]
            lost.inc()
        self._owed[user_id] = _Debt(self._monotonic() + OWED_SECONDS)
        with contextlib.suppress(TooManyTasksError):
            await asyncio.wait({self._tasks.start(self._tell([user_id]))}, timeout=WAIT_SECONDS)

    async def _tell(self, user_ids: Sequence[str]) -> bool:
        """Have the users' counts dropped; return whether that was confirmed, or can never be."""
        told = {user_id: self._owed.get(user_id) for user_id in user_ids}
        try:
            if not await self._invalidate([tag_of(user_id) for user_id in user_ids]):
                raise Unavailable("UNCONFIRMED", "not every cache has confirmed")
        except ServiceError:
            unconfirmed.inc()
            return False
        except RefusedError:
            logger.exception("the cache refuses to drop unread counts")
            lost.inc(len(told))
        for user_id, debt in told.items():
            if self._owed.get(user_id) is debt:  # and no later change is owed
                self._owed.pop(user_id, None)
        return True

    async def relay(self) -> None:
        """Tell once more of whatever is not confirmed yet; what no cache can hold any more is forgotten."""
        now = self._monotonic()
        for user_id in [user_id for user_id, debt in self._owed.items() if debt.until <= now]:
            del self._owed[user_id]
            lost.inc()
        owed = list(self._owed)
        for first in range(0, len(owed), BATCH):
            if not await self._tell(owed[first : first + BATCH]):
                return

    @asynccontextmanager
    async def running(self, grace: float) -> AsyncIterator[None]:
        """Relay while inside; at the end, what is under way has `grace` seconds to finish."""
        relaying = asyncio.create_task(self._relay_for_ever())
        try:
            yield
        finally:
            relaying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await relaying
            await self._tasks.drain(grace)

    async def _relay_for_ever(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            try:
                await self.relay()
            except Exception:  # whatever it was, the others must be told
                logger.exception("relaying dropped unread counts failed")
