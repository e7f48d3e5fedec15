"""Waits until no near cache of any cache process can serve an invalidated entry."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from prometheus_client import Counter, Histogram

from runtime.background.tasks import Tasks, TooManyTasksError
from services.cache.invalidation.leases import LEASE_SECONDS, Leases
from services.cache.invalidation.positions import Invalidated
from services.cache.invalidation.stream import Stream

POLL_SECONDS = 0.005
DRAIN_SECONDS = 0.2

unconfirmed = Counter("trivet_cache_invalidations_unconfirmed_total", "Invalidations that were answered unconfirmed.")
waited = Histogram(
    "trivet_cache_invalidation_wait_seconds",
    "How long invalidations waited for near caches.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1),
)


class InvalidationBarrier:
    """Waits for the readers of this process by their leases, and for those of other processes by their reports."""

    def __init__(self, stream: Stream, leases: Leases, monotonic: Callable[[], float]) -> None:
        self._stream = stream
        self._leases = leases
        self._now = monotonic
        self._changed = asyncio.Event()
        self._kept_since = ("", 0)
        self._kept_seen_at = 0.0
        self._tasks = Tasks("cache.forget", limit=10)

    def notify(self) -> None:
        """Wake the waiting calls. Call it after a change of the leases."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def confirmed(self, invalidated: Invalidated, *, within: float) -> bool:
        """Wait up to `within` seconds. Return whether no near cache can serve the invalidated entries any more.

        The result is True after LEASE_SECONDS at the latest. It is False only if `within` is shorter.
        """
        invalidated_at = self._now()
        with waited.time():
            left = await self._wait_for_readers(invalidated, invalidated_at, invalidated_at + within)
        if left is None:
            unconfirmed.inc()
            return False
        if left:
            with contextlib.suppress(TooManyTasksError):  # the next call that waits for these processes retries
                self._tasks.start(self._stream.forget(left))
        return True

    async def drain(self) -> None:
        """Wait for the deletion of outdated reports in Redis."""
        await self._tasks.drain(DRAIN_SECONDS)

    async def _wait_for_readers(
        self, invalidated: Invalidated, invalidated_at: float, gives_up: float
    ) -> Mapping[str, str] | None:
        """Wait. Return the processes whose readers did not report in time, None after `gives_up`."""
        others: Mapping[str, str] = {
            name: report for name, report in invalidated.reports.items() if name != self._stream.process
        }
        latest, all_known = invalidated_at + LEASE_SECONDS, self._are_all_known(invalidated)
        while True:
            until = self._leases.may_serve_until(invalidated.position, invalidated_at, all_known=all_known)
            now = self._now()
            if now >= latest or (until <= now and not others):
                return others
            if now >= gives_up:
                return None
            pause = now + POLL_SECONDS if others else latest
            await self._wait_for_change(min(until if until > now else latest, latest, gives_up, pause) - now)
            if others:
                others = await self._stream.processes_behind(invalidated.position, others)

    def _are_all_known(self, invalidated: Invalidated) -> bool:
        """Return whether Redis has the reports of all processes with readers.

        Each such process reports within a lease. So Redis has all if it has kept reports for at least that long.
        """
        kept_since = (invalidated.position.epoch, invalidated.kept_since)
        if kept_since != self._kept_since:
            self._kept_since, self._kept_seen_at = kept_since, self._now()
        by_redis = (invalidated.position.offset - invalidated.kept_since) / 1_000_000
        # If Redis' clock was set back, its offsets stand still for a long time.
        return max(by_redis, self._now() - self._kept_seen_at) >= LEASE_SECONDS

    async def _wait_for_change(self, seconds: float) -> None:
        changed = self._changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()
