"""The RPC of counters: decode, one call, encode."""

from runtime.rpc.interceptor_chain import Context
from services.cache import namespaces, request_validation
from services.cache.counters.counters import Counters
from services.cache.messages import caller, ttl_nanoseconds
from trivet.cache.v1 import cache_pb2 as pb


class CounterRpcs:
    """Increment."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    async def Increment(self, request: pb.IncrementRequest, context: Context) -> pb.IncrementResponse:
        namespace = namespaces.to_fill(request.namespace, caller())
        request_validation.check_key(request.key, "key")
        ttl_ms = request_validation.ttl_ms(ttl_nanoseconds(request), namespace.max_ttl_ms, "ttl")
        delta = request.delta if request.HasField("delta") else 1
        return pb.IncrementResponse(value=await self._counters.add(namespace.name, request.key, delta, ttl_ms))
