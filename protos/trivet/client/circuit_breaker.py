"""A circuit breaker: after failures a service is not called for a second, and its callers go on without it."""

from collections.abc import Callable

import grpc
from grpc import aio

OPEN_SECONDS = 1.0
TIMEOUTS_IN_A_ROW = 3
"""Timeouts that open the breaker. One late answer is no outage: either side can be busy for a moment."""


class CircuitBreaker:
    """Opens for OPEN_SECONDS after a failed call. Timeouts open it after TIMEOUTS_IN_A_ROW of them without an answer.

    After that, each further timeout opens it again, until a call is answered.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._open_until = 0.0
        self._timeouts = 0

    @property
    def is_open(self) -> bool:
        """Whether the service must not be called now."""
        return self._monotonic() < self._open_until

    def failed(self, error: aio.AioRpcError) -> None:
        """Count a failed call."""
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            self._timeouts += 1
            if self._timeouts < TIMEOUTS_IN_A_ROW:
                return
        self._open_until = self._monotonic() + OPEN_SECONDS

    def answered(self) -> None:
        """Count a call that was answered."""
        self._timeouts = 0
