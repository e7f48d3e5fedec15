"""Decodes and encodes positions and events of the invalidation stream."""

from runtime.errors import InvalidArgument
from services.cache import request_validation
from services.cache.invalidation.positions import Event, StreamPosition
from services.cache.invalidation.readers import Echo, Reset, WatchEvent
from trivet.cache.v1 import cache_pb2 as pb


def decode_position(message: pb.Position) -> StreamPosition:
    return StreamPosition(message.epoch, message.offset)


def decode_applied(message: pb.WatchRequest, field: str) -> StreamPosition | None:
    """Return the position in a field of the request, None if it is unset. Raises InvalidArgument if it is not valid."""
    if not message.HasField(field):  # type: ignore[arg-type]  # the caller names one of two fields
        return None
    position = decode_position(getattr(message, field))
    if not request_validation.KEY.fullmatch(position.epoch) or position.offset < 0:
        raise InvalidArgument("INVALID_POSITION", f"{field} is not a position that this service sent", field=field)
    return position


def encode_position(position: StreamPosition) -> pb.Position:
    return pb.Position(epoch=position.epoch, offset=position.offset)


def encode_watch_event(event: WatchEvent) -> pb.WatchResponse:
    match event:
        case Echo(tick_ns):
            return pb.WatchResponse(tick_ns=tick_ns)
        case Event(position, tags):
            return pb.WatchResponse(invalidation=pb.Invalidation(position=encode_position(position), tags=tags))
        case Reset(position):
            return pb.WatchResponse(reset=encode_position(position))
