"""Conversions between protobuf and values that several domains of the cache service use."""

from google.protobuf.duration_pb2 import Duration

from runtime.rpc.actor import current_actor
from trivet.cache.v1 import cache_pb2 as pb


def caller() -> str:
    """Return the name of the service that calls."""
    return current_actor.get().caller


def ttl_nanoseconds(message: pb.Entry | pb.IncrementRequest) -> int | None:
    """Return the message's time to live in nanoseconds, None if it is unset."""
    return message.ttl.ToNanoseconds() if message.HasField("ttl") else None


def milliseconds(count: int) -> Duration:
    """Return a number of milliseconds as a Duration."""
    seconds, rest = divmod(count, 1_000)
    return Duration(seconds=seconds, nanos=rest * 1_000_000)
