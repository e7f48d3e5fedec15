"""What is done around the calls that anybody may make: they end soon, and leave room for callers who are known."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health
from prometheus_client import Counter

from runtime.errors import ResourceExhausted
from runtime.rpc import reflection
from runtime.rpc.interceptor_chain import Call, Concern, Proceed
from runtime.rpc.interceptors import Deadline, Errors, Received, is_stream

SERVICES = (health.SERVICE_NAME, *reflection.SERVICES)
# For each RPC; far below what a server works on at once. A probe has an answer long before its time is up, and whoever
# watches for longer begins again.
MAX_UNARY = 100
MAX_STREAMS = 64
UNARY_SECONDS = 2.0
STREAM_SECONDS = 600.0

crowded_out = Counter("trivet_rpc_crowded_out_total", "Calls that anybody may make, refused: too many.", ["method"])


class AtMost(Concern):
    """So many calls of each RPC at once and no more: what anybody may call leaves room for those who are known."""

    def __init__(self, unary: int, streams: int) -> None:
        self._room = {False: unary, True: streams}
        self._limit: dict[str, int] = {}
        self._open: dict[str, int] = {}

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        if descriptor is not None:
            self._limit[method] = self._room[is_stream(descriptor)]

    async def around(self, call: Call, proceed: Proceed) -> Any:
        count = self._open.get(call.method, 0)
        if count >= self._limit.get(call.method, 0):
            crowded_out.labels(call.method).inc()
            raise ResourceExhausted("TOO_MANY_CALLS", "too many calls of this RPC are open")
        self._open[call.method] = count + 1
        try:
            return await proceed(call)
        finally:
            self._open[call.method] -= 1


def open_concerns() -> Sequence[Concern]:
    """Return the concerns of a server's open calls, outermost first."""
    return (
        Errors(),
        AtMost(MAX_UNARY, MAX_STREAMS),
        Deadline(UNARY_SECONDS, stream_limit=STREAM_SECONDS),
        Received(),
    )
