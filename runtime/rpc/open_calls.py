"""Limits for RPCs that need no actor (health, reflection), so that they leave room for authenticated calls."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health
from prometheus_client import Counter

from runtime.errors import ResourceExhausted, Unimplemented
from runtime.rpc import reflection
from runtime.rpc.interceptor_chain import Call, Interceptor, Proceed
from runtime.rpc.interceptors import Deadlines, ErrorStatus, RequestDecoding, is_stream

SERVICES = (health.SERVICE_NAME, *reflection.SERVICES)
HEALTH_WATCH = f"{health.SERVICE_NAME}/Watch"
# Per RPC, and far below MAX_CONCURRENT_RPCS. A probe is answered long before its deadline. A client that watches for
# longer opens a new stream.
MAX_UNARY = 100
MAX_STREAMS = 128
UNARY_SECONDS = 2.0
STREAM_SECONDS = 600.0

crowded_out = Counter(
    "trivet_rpc_crowded_out_total", "Calls without an actor that were refused because too many were open.", ["method"]
)


class ConcurrencyLimit(Interceptor):
    """Limits the open calls of each RPC. Fails with RESOURCE_EXHAUSTED above the limit.

    A health watch fails with UNIMPLEMENTED: a client of several replicas that cannot watch one then uses it without.
    After any other code it would not call the replica at all (gRFC A17).
    """

    def __init__(self, unary: int, streams: int) -> None:
        self._room = {False: unary, True: streams}
        self._limit: dict[str, int] = {}
        self._open: dict[str, int] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None:
            self._limit[method] = self._room[is_stream(descriptor)]

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        count = self._open.get(call.method, 0)
        if count >= self._limit.get(call.method, 0):
            crowded_out.labels(call.method).inc()
            if call.method == HEALTH_WATCH:
                raise Unimplemented("TOO_MANY_CALLS", "too many watches of the health are open: retry later")
            raise ResourceExhausted("TOO_MANY_CALLS", "too many calls of this RPC are open: retry later")
        self._open[call.method] = count + 1
        try:
            return await proceed(call)
        finally:
            self._open[call.method] -= 1


def open_interceptors() -> Sequence[Interceptor]:
    """Return the interceptors of a server's open calls, outermost first."""
    return (
        ErrorStatus(),
        ConcurrencyLimit(MAX_UNARY, MAX_STREAMS),
        Deadlines(UNARY_SECONDS, stream_limit=STREAM_SECONDS),
        RequestDecoding(),
    )
