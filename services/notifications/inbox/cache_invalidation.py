"""Invalidates the cached responses about a user after each write that changes them."""

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
from runtime.background.periodic import periodically
from runtime.background.tasks import Tasks, TooManyTasksError
from runtime.errors import DeliveryRejectedError, ServiceError, Unavailable
from runtime.rpc.caching.cached_rpcs import KEY
from trivet.client.deadline import remaining, within

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.2
RETRY_SECONDS = 1.0
PENDING_SECONDS = 45.0
"""The time that an entry from before a write can be cached: its time to live of 30 s, and at most 10 s to fill it."""
MAX_PENDING = 10_000
BATCH = 100

unconfirmed = Counter("trivet_answers_unconfirmed_total", "Invalidations that not every cache confirmed.")
lost = Counter(
    "trivet_answers_lost_total", "Invalidations that were given up: their entries stayed cached until they expired."
)

T = TypeVar("T")


Invalidate = Callable[[Sequence[str]], Awaitable[bool]]
"""Invalidates the entries with these tags. Returns whether every cache confirmed.

Raises ServiceError if the cache service is unreachable, and DeliveryRejectedError if it rejects these tags.
"""


def unread_tag(user_id: str) -> str:
    """Return the tag of a user's cached unread count."""
    return f"unread:{user_id}"


def preferences_tag(user_id: str) -> str:
    """Return the tag of a user's cached preferences."""
    return f"preferences:{user_id}"


class Invalidation:
    """Writes without a cache to invalidate."""

    async def write_and_invalidate(self, tags: Sequence[str], write: Callable[[], Awaitable[T]]) -> T:
        """Do a write that can change the entries with these tags. Raises the errors of the write."""
        return await write()


NO_CACHE = Invalidation()


@dataclass(frozen=True, eq=False, slots=True)
class _Pending:
    """An unconfirmed invalidation of one tag. After `until` (monotonic), no entry can be older than the write."""

    until: float


class InvalidationRelay(Invalidation):
    """Writes, and invalidates the cached entries afterwards.

    An unconfirmed invalidation is repeated every second as long as an old entry can be cached. A crash loses the
    pending invalidations. Then an old entry lives until its time to live ends.
    """

    def __init__(self, invalidate: Invalidate, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._invalidate = invalidate
        self._monotonic = monotonic
        self._tasks = Tasks("cached answers")
        self._pending: dict[str, _Pending] = {}
        self._rejection = ""

    async def write_and_invalidate(self, tags: Sequence[str], write: Callable[[], Awaitable[T]]) -> T:
        """Do the write, then invalidate the tags, both in a separate task, which a cancelled caller does not stop.

        The tags are invalidated also if the outcome of the write is unknown. The call waits at most 200 ms for the
        caches. Raises the errors of the write. Raises Unavailable (TOO_MANY_WRITES) before the write if too many run.
        """
        left = remaining(math.inf)
        try:
            task = self._tasks.start(self._write_then_invalidate(tags, write, left))
        except TooManyTasksError:
            raise Unavailable("TOO_MANY_WRITES", "too many writes are in progress: try again") from None
        outcome = await asyncio.shield(task)
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def _write_then_invalidate(
        self, tags: Sequence[str], write: Callable[[], Awaitable[T]], left: float
    ) -> T | ServiceError:
        try:
            with within(left):
                return await write()
        except ServiceError as error:  # return it, because a failed call is not a failed background task
            return error
        finally:
            await failpoints.reach("notifications.after_write")
            await self._invalidate_after([tag for tag in tags if KEY.fullmatch(tag)])  # no cache entry has another tag

    async def _invalidate_after(self, tags: Sequence[str]) -> None:
        for tag in tags:
            self._pending.pop(tag, None)  # the newest goes to the end
            if len(self._pending) >= MAX_PENDING:
                del self._pending[next(iter(self._pending))]
                lost.inc()
            self._pending[tag] = _Pending(self._monotonic() + PENDING_SECONDS)
        if tags:
            with contextlib.suppress(TooManyTasksError):
                await asyncio.wait({self._tasks.start(self._invalidate_now(tags))}, timeout=WAIT_SECONDS)

    async def _invalidate_now(self, tags: Sequence[str]) -> bool:
        """Invalidate the tags; return whether every cache confirmed."""
        sent = {tag: self._pending.get(tag) for tag in tags}
        try:
            if not await self._invalidate(tags):
                raise Unavailable("UNCONFIRMED", "not every cache confirmed")
        except ServiceError:
            unconfirmed.inc()
            return False
        except DeliveryRejectedError as error:
            unconfirmed.inc()
            if self._rejection != (rejection := str(error)):
                logger.error("the cache rejected an invalidation; retrying every second: %s", rejection)
                self._rejection = rejection
            return False
        self._rejection = ""
        for tag, pending in sent.items():
            if self._pending.get(tag) is pending:  # no later write is pending
                self._pending.pop(tag, None)
        return True

    async def relay(self) -> None:
        """Repeat the pending invalidations. Drop those whose old entries have expired."""
        now = self._monotonic()
        for tag in [tag for tag, pending in self._pending.items() if pending.until <= now]:
            del self._pending[tag]
            lost.inc()
        pending = list(self._pending)
        for first in range(0, len(pending), BATCH):
            if not await self._invalidate_now(pending[first : first + BATCH]):
                return

    @asynccontextmanager
    async def running(self, grace: float) -> AsyncIterator[None]:
        """Relay inside the block. At its end, running writes and invalidations have `grace` seconds to finish."""
        async with periodically("relay of invalidations", RETRY_SECONDS, self.relay, longest=RETRY_SECONDS):
            try:
                yield
            finally:
                await self._tasks.drain(grace)
