"""Rate limits: those of this process, and those that all gateways share through the cache service."""

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
from trivet.client.circuit_breaker import CircuitBreaker
from trivet.client.outage import Outage

logger = logging.getLogger(__name__)

counted_locally = Counter(
    "trivet_gateway_limits_alone_total",
    "Rate limits that this process counted alone, because the cache did not answer.",
)

Monotonic = Callable[[], float]
MAX_KEY = 512


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` requests. The count starts again when none was allowed for `seconds`."""

    requests: int
    seconds: int


class RateLimiter:
    """Counts requests by key, in bounded memory: the key that was counted least recently is dropped first.

    A count starts again after a full window without an allowed request. All methods are thread-safe.
    """

    def __init__(self, *, capacity: int = 50_000, monotonic: Monotonic = time.monotonic) -> None:
        self._capacity = capacity
        self.monotonic = monotonic
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._counts)

    def retry_after(self, key: str, limit: Limit) -> int:
        """Return 0 if a request is allowed now, else the seconds until one will be. Counts nothing."""
        count, last = self._counts.get(key[:MAX_KEY], (0, 0.0))
        left = last + limit.seconds - self.monotonic()
        return max(1, math.ceil(left)) if count >= limit.requests and left > 0 else 0

    def remaining(self, key: str, limit: Limit) -> int:
        """Return how many more requests are allowed now."""
        count, last = self._counts.get(key[:MAX_KEY], (0, 0.0))
        return max(0, limit.requests - count) if last + limit.seconds > self.monotonic() else limit.requests

    def exhaust(self, key: str, limit: Limit, until: float) -> None:
        """Allow no request until a time, which the cache service gave."""
        with self._lock:
            self._remember(key[:MAX_KEY], limit.requests, until - limit.seconds)

    def acquire(self, key: str, limit: Limit, at: float | None = None) -> int:
        """Count a request if it is allowed; return as `retry_after` does. `at` is the time of an earlier request."""
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


class SharedRateLimiter:
    """Counts over all gateways, in the cache service. `acquire` never fails, and takes 100 ms at most.

    Requests that the cache allows are counted here as well. While the cache does not answer (see `CircuitBreaker`), the
    counts of this process decide. So an unstable cache allows no more than each process alone.
    """

    ANSWER_SECONDS = 0.1

    def __init__(self, shared: RateLimitServiceStub, own: RateLimiter) -> None:
        self._shared = shared
        self._own = own
        self._breaker = CircuitBreaker(own.monotonic)
        self._outage = Outage(
            logger,
            "rate limits are counted by this process alone: the cache answers %s",
            "rate limits are shared by all gateways again",
        )

    def retry_after(self, rule: str, subject: str, limit: Limit) -> int:
        """Return the seconds until a request is allowed, by the counts of this process."""
        return self._own.retry_after(f"{rule}|{subject}", limit)

    def remaining(self, rule: str, subject: str, limit: Limit) -> int:
        """Return how many more requests are allowed now, by the counts of this process."""
        return self._own.remaining(f"{rule}|{subject}", limit)

    async def acquire(self, rule: str, subject: str, limit: Limit) -> int:
        """Count a request if it is allowed. Return 0 then, else the seconds until one will be."""
        key, now = f"{rule}|{subject}", self._own.monotonic()
        if seconds := self._own.retry_after(key, limit):
            return seconds
        if not self._breaker.is_open:
            try:
                seconds = await self._ask(rule, subject, limit)
            except grpc.aio.AioRpcError as error:
                self._outage.begin(error.code().name)
                self._breaker.failed(error)
            else:
                self._breaker.answered()
                self._outage.end()
                # The time before the call: a window must not end later here than in the cache.
                if seconds:
                    self._own.exhaust(key, limit, now + seconds)
                    return seconds
                # Other requests can have been counted here during the call.
                return self._own.acquire(key, limit, now)
        counted_locally.inc()
        return self._own.acquire(key, limit)

    async def _ask(self, rule: str, subject: str, limit: Limit) -> int:
        request = AcquireRequest(
            rule=rule, subject=subject, limit=limit.requests, period=Duration(seconds=limit.seconds)
        )
        answer = await self._shared.Acquire(request, timeout=self.ANSWER_SECONDS)
        return 0 if answer.allowed else max(1, math.ceil(answer.retry_after.ToNanoseconds() / 1e9))
