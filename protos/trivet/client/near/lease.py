"""The position of a cache miss, as the reader that missed hands it to the owner that fills."""

from trivet.cache.v1.cache_pb2 import Position

METADATA_KEY = "trivet-lease"

Metadata = tuple[tuple[str, str], ...]


def format_lease(position: Position) -> str:
    """Return a position as metadata carries it."""
    return f"{position.epoch}:{position.offset}"
