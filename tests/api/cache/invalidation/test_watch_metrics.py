"""What an operator sees of near caches on /metrics."""

from tests.conftest import Engines
from tests.harness.metrics import metric
from tests.harness.peers.watching import watching
from tests.harness.ports import free_port
from tests.harness.processes import client, process
from tests.harness.waiting import until
from trivet.cache.v1 import cache_pb2 as pb
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub


async def test_readers_resets_and_what_invalidations_waited_for_are_told(engine: Engines) -> None:
    port = free_port()
    url = engine.get("valkey").url
    with process("cache", REDIS_URL=url, TRIVET_CACHE_PREFIX="t:metrics:", TRIVET_METRICS_PORT=str(port)) as running:
        async with client(running) as channel:
            async with watching(channel, applies=False):
                stub, request = CacheServiceStub(channel), pb.InvalidateRequest(tags=["x"])
                assert not (await stub.Invalidate(request, timeout=0.3)).confirmed
                assert (await stub.Invalidate(request, timeout=2)).confirmed
                assert await metric(port, "trivet_cache_readers") == 1
            assert await metric(port, "trivet_cache_resets_total", reason="first") == 1
            assert await metric(port, "trivet_cache_invalidations_unconfirmed_total") == 1
            assert await metric(port, "trivet_cache_invalidation_wait_seconds_count") == 2
            assert await metric(port, "trivet_cache_invalidation_wait_seconds_sum") > 0

            async def is_gone() -> bool:
                return await metric(port, "trivet_cache_readers") == 0

            await until(is_gone)
