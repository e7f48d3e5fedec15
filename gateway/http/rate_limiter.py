"""Counts in windows: this process's own, and those that all gateways share through the cache service."""

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from google.protobuf.duration_pb2 import Duration
from prometheus_client import Counter

from trivet.cache.v1.rate_limit_service_pb2 import AcquireRequest
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub
from trivet.client.outage import Outage

logger = logging.getLogger(__name__)

counted_alone = Counter(
    "trivet_gateway_limits_alone_total", "Limits that this process counted by itself: the cache did not answer."
)

Monotonic = Callable[[], float]
MAX_KEY = 512


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests, until none has been allowed for `seconds`."""

    requests: int
    seconds: int


class Windows:
    """Counts by key, in bounded memory: what has been quiet longest is forgotten first.

    A count starts anew after a full window without an allowed request. Any thread may ask.
    """

    def __init__(self, *, capacity: int = 50_000, monotonic: Monotonic = time.monotonic) -> None:
        self._capacity = capacity
        self.monotonic = monotonic
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._counts)

    def wait(self, key: str, limit: Limit) -> int:
        """Return 0 if a request is allowed now, else in how many seconds one will be. Counts nothing."""
        count, last = self._counts.get(key[:MAX_KEY], (0, 0.0))
        left = last + limit.seconds - self.monotonic()
        return max(1, math.ceil(left)) if count >= limit.requests and left > 0 else 0

    def left(self, key: str, limit: Limit) -> int:
        """Return how many more requests are allowed now."""
        count, last = self._counts.get(key[:MAX_KEY], (0, 0.0))
        return max(0, limit.requests - count) if last + limit.seconds > self.monotonic() else limit.requests

    def exhaust(self, key: str, limit: Limit, until: float) -> None:
        """Allow nothing until a time: somebody who counts for all has said so."""
        with self._lock:
            self._remember(key[:MAX_KEY], limit.requests, until - limit.seconds)

    def take(self, key: str, limit: Limit, at: float | None = None) -> int:
        """Count a request, as one of an earlier time if that is given, if it is allowed; return as `wait` does."""
        key = key[:MAX_KEY]
        with self._lock:
            now = self.monotonic()
            count, last = self._counts.get(key, (0, 0.0))
            left = last + limit.seconds - now
            if count >= limit.requests and left > 0:
                return max(1, math.ceil(left))
            at = now if at is None else at
            self._remember(key, 1 if at - last >= limit.seconds else count + 1, at)
            return 0

    def _remember(self, key: str, count: int, last: float) -> None:
        self._counts[key] = count, last
        self._counts.move_to_end(key)
        if len(self._counts) > self._capacity:
            self._counts.popitem(last=False)


class SharedWindows:
    """The same counts over all gateways, kept by the cache service; `take` never fails and takes 100 ms at most.

    What the cache allows is counted here as well. When it does not answer it is left alone for a second, and what this
    process has seen decides: a cache that comes and goes hands out no more than each process allows by itself.
    """

    ANSWER_SECONDS = 0.1
    REST_SECONDS = 1.0

    def __init__(self, shared: RateLimitServiceStub, own: Windows) -> None:
        self._shared = shared
        self._own = own
        self._rests_until = 0.0
        self._outage = Outage(
            logger, "limits are this process's own: the cache answers %s", "limits are those of all gateways again"
        )

    def wait(self, rule: str, subject: str, limit: Limit) -> int:
        """Return what `Windows.wait` does, as far as this process knows."""
        return self._own.wait(f"{rule}|{subject}", limit)

    def left(self, rule: str, subject: str, limit: Limit) -> int:
        """Return what `Windows.left` does, as far as this process knows."""
        return self._own.left(f"{rule}|{subject}", limit)

    async def take(self, rule: str, subject: str, limit: Limit) -> int:
        """Count a request if it is allowed; return 0 then, else in how many seconds one will be."""
        key, now = f"{rule}|{subject}", self._own.monotonic()
        if seconds := self._own.wait(key, limit):
            return seconds
        if now >= self._rests_until:
            try:
                seconds = await self._ask(rule, subject, limit)
            except grpc.aio.AioRpcError as error:
                self._outage.begin(error.code().name)
                self._rests_until = self._own.monotonic() + self.REST_SECONDS
            else:
                self._outage.end()
                # The time before the call: here no window may end later than there.
                if seconds:
                    self._own.exhaust(key, limit, now + seconds)
                    return seconds
                # Others may have been counted here while this one was asked about.
                return self._own.take(key, limit, now)
        counted_alone.inc()
        return self._own.take(key, limit)

    async def _ask(self, rule: str, subject: str, limit: Limit) -> int:
        request = AcquireRequest(
            rule=rule, subject=subject, limit=limit.requests, period=Duration(seconds=limit.seconds)
        )
        answer = await self._shared.Acquire(request, timeout=self.ANSWER_SECONDS)
        return 0 if answer.allowed else max(1, math.ceil(answer.retry_after.ToNanoseconds() / 1e9))
