"""When calls to a service that does not answer stop, and when they begin again."""

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from tests.harness.clock import Clock
from trivet.client.circuit_breaker import OPEN_SECONDS, TIMEOUTS_IN_A_ROW, CircuitBreaker


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(clock)


def failed(breaker: CircuitBreaker, code: StatusCode, times: int = 1) -> bool:
    """Have calls fail; return whether the circuit is open then."""
    for _ in range(times):
        breaker.failed(AioRpcError(code, Metadata(), Metadata()))
    return breaker.is_open


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.UNAUTHENTICATED])
def test_one_refused_call_opens_it_for_a_second(breaker: CircuitBreaker, clock: Clock, code: StatusCode) -> None:
    assert not breaker.is_open
    assert failed(breaker, code)
    clock.now += OPEN_SECONDS - 0.001
    assert breaker.is_open
    clock.now += 0.001
    assert not breaker.is_open


def test_one_late_answer_opens_nothing_and_three_in_a_row_do(breaker: CircuitBreaker) -> None:
    assert not failed(breaker, StatusCode.DEADLINE_EXCEEDED, TIMEOUTS_IN_A_ROW - 1)
    breaker.answered()
    assert not failed(breaker, StatusCode.DEADLINE_EXCEEDED, TIMEOUTS_IN_A_ROW - 1)
    assert failed(breaker, StatusCode.DEADLINE_EXCEEDED)


def test_a_service_that_hangs_on_is_tried_once_a_second(breaker: CircuitBreaker, clock: Clock) -> None:
    failed(breaker, StatusCode.DEADLINE_EXCEEDED, TIMEOUTS_IN_A_ROW)
    clock.now += OPEN_SECONDS
    assert not breaker.is_open
    assert failed(breaker, StatusCode.DEADLINE_EXCEEDED)
