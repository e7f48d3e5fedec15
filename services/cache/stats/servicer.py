"""The RPC of the statistics."""

from runtime.clock import timestamp
from runtime.rpc.interceptor_chain import Context
from services.cache.stats.stats import Stats
from trivet.cache.v1 import cache_pb2 as pb


class StatsRpcs:
    """GetStats."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    async def GetStats(self, request: pb.GetStatsRequest, context: Context) -> pb.GetStatsResponse:
        namespaces = [
            pb.NamespaceStats(
                namespace=name, hits=counts.hits, misses=counts.misses, fills=counts.fills, refusals=counts.refusals
            )
            for name, counts in self._stats.by_name()
        ]
        return pb.GetStatsResponse(namespaces=namespaces, start_time=timestamp(self._stats.start_time))
