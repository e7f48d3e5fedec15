"""The lease of a cache miss: the reader that missed sends it to the owner, and the owner fills the cache with it."""

from trivet.cache.v1.cache_pb2 import Position

METADATA_KEY = "trivet-lease"

Metadata = tuple[tuple[str, str], ...]


def format_lease(position: Position) -> str:
    """Return the position of a miss as the value of the metadata."""
    return f"{position.epoch}:{position.offset}"
