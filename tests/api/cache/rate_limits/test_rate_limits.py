"""Shared limits as services meet them: who counts with whom, what is refused by its shape, and without Redis."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode

from runtime.ids import new_id
from services.cache.redis.store import READ_SECONDS
from tests.api.cache.conftest import refused
from tests.conftest import Engines
from tests.harness.processes import Process, client, process
from tests.harness.stores import engines
from tests.harness.waiting import taking, until
from trivet.cache.v1 import rate_limit_service_pb2 as pb
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub

SOON_SECONDS = 1.5


def wanted(**fields: Any) -> pb.AcquireRequest:
    some: dict[str, Any] = {"rule": "r", "subject": "s", "limit": 3, "period": Duration(seconds=60)}
    return pb.AcquireRequest(**(some | fields))


@pytest.fixture
async def limits(cache_process: Process) -> AsyncIterator[RateLimitServiceStub]:
    async with client(cache_process, caller="tests") as channel:
        yield RateLimitServiceStub(channel)


async def test_fifty_at_once_are_allowed_exactly_the_limit(limits: RateLimitServiceStub) -> None:
    """H6."""
    request = wanted(subject=new_id(), limit=10)
    began = time.monotonic()
    answers = await asyncio.gather(*(limits.Acquire(request) for _ in range(50)))
    taken = 1_000 * (time.monotonic() - began)
    assert [answer.allowed for answer in answers].count(True) == 10
    waits = [answer.retry_after.ToMilliseconds() for answer in answers if not answer.allowed]
    assert all(59_000 - taken < wait <= 60_000 for wait in waits)
    assert not any(answer.HasField("retry_after") for answer in answers if answer.allowed)


async def test_a_steady_rate_gives_back_one_place_at_a_time(limits: RateLimitServiceStub) -> None:
    """H6."""
    request = wanted(subject=new_id(), limit=10, algorithm=pb.AcquireRequest.ALGORITHM_GCRA)
    began = time.monotonic()
    answers = await asyncio.gather(*(limits.Acquire(request) for _ in range(50)))
    taken = 1_000 * (time.monotonic() - began)
    assert [answer.allowed for answer in answers].count(True) == 10
    waits = [answer.retry_after.ToMilliseconds() for answer in answers if not answer.allowed]
    assert all(5_990 - taken < wait <= 6_000 for wait in waits)


async def test_two_programs_never_count_together(cache_process: Process, limits: RateLimitServiceStub) -> None:
    request = wanted(subject=new_id(), limit=1)
    assert (await limits.Acquire(request)).allowed
    async with client(cache_process, caller="ops") as channel:
        assert (await RateLimitServiceStub(channel).Acquire(request)).allowed
    assert not (await limits.Acquire(request)).allowed


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"rule": ""}, "REQUIRED_FIELD_MISSING", "rule"),
        ({"subject": ""}, "REQUIRED_FIELD_MISSING", "subject"),
        ({"rule": "Sign in"}, "INVALID_RULE", "rule"),
        ({"rule": "a/b"}, "INVALID_RULE", "rule"),
        ({"rule": "r" * 33}, "INVALID_RULE", "rule"),
        ({"limit": 0}, "INVALID_LIMIT", "limit"),
        ({"limit": -1}, "INVALID_LIMIT", "limit"),
        ({"limit": 1_000_001}, "INVALID_LIMIT", "limit"),
        ({"period": None}, "INVALID_PERIOD", "period"),
        ({"period": Duration(seconds=-1)}, "INVALID_PERIOD", "period"),
        ({"period": Duration(nanos=1)}, "INVALID_PERIOD", "period"),
        ({"period": Duration(seconds=86_401)}, "INVALID_PERIOD", "period"),
        ({"cost": 0}, "INVALID_COST", "cost"),
        ({"cost": 4}, "INVALID_COST", "cost"),
        ({"algorithm": 7}, "UNKNOWN_ALGORITHM", "algorithm"),
    ],
)
async def test_what_is_out_of_shape_is_named_by_its_field(
    limits: RateLimitServiceStub, fields: dict[str, Any], reason: str, field: str
) -> None:
    assert await refused(limits.Acquire(wanted(**fields))) == (StatusCode.INVALID_ARGUMENT, reason, field)


async def test_a_redis_that_hangs_or_is_gone_is_said_soon_and_counts_again_when_it_is_back(engine: Engines) -> None:
    """H6, R3, R14."""
    if engine.get("redis").process is None:
        pytest.skip("TRIVET_TEST_REDIS_URL is a server that is not ours to break")
    with engines.redis() as server, process("cache", REDIS_URL=server.url) as running:
        assert server.process is not None
        async with client(running, caller="tests") as channel:
            limits = RateLimitServiceStub(channel)
            assert (await limits.Acquire(wanted())).allowed
            server.process.send_signal(signal.SIGSTOP)
            try:
                for number in range(5):
                    with taking(0 if number else READ_SECONDS / 2, SOON_SECONDS):  # the first one asks Redis
                        said = await refused(limits.Acquire(wanted()))
                    assert said == (StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", "")
            finally:
                server.process.send_signal(signal.SIGCONT)

            async def answers() -> bool:
                try:
                    return (await limits.Acquire(wanted(subject="another"))).allowed
                except grpc.aio.AioRpcError:
                    return False

            await until(answers)
            server.process.kill()
            assert (await refused(limits.Acquire(wanted())))[0] is StatusCode.UNAVAILABLE
