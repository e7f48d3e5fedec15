"""The lease of a cache miss: the reader sends it to the owner, which fills the cache with it."""

from contextvars import ContextVar

from runtime.errors import InvalidArgument
from trivet.cache.v1.cache_pb2 import Position
from trivet.client.near.lease import METADATA_KEY

current_lease: ContextVar[Position | None] = ContextVar("trivet_lease", default=None)


def parse_lease(value: str) -> Position:
    """Read what `format_lease` wrote. Raises InvalidArgument."""
    epoch, _, offset = value.rpartition(":")
    if not epoch or not offset.isascii() or not offset.isdigit() or len(offset) > 18:
        raise InvalidArgument("INVALID_LEASE", f"{METADATA_KEY} must be EPOCH:OFFSET as a miss answered it")
    return Position(epoch=epoch, offset=int(offset))
