"""Between the messages of trivet.cache.v1 and what the service's own files take and answer."""

from collections.abc import Callable

from google.protobuf.duration_pb2 import Duration

from runtime import failpoints
from runtime.errors import InvalidArgument
from runtime.rpc.actor import current_actor
from services.cache import namespaces, request_validation
from services.cache.entries import Entry, Lookup
from services.cache.invalidation.positions import Event, Position
from services.cache.invalidation.readers import Echo, Reset, WatchEvent
from services.cache.namespaces import Namespace
from trivet.cache.v1 import cache_pb2 as pb

Chance = Callable[[], float]
"""Returns a number from 0 to 1, another one each time."""


def caller() -> str:
    return current_actor.get().caller


def ttl_nanoseconds(message: pb.Entry | pb.IncrementRequest) -> int | None:
    return message.ttl.ToNanoseconds() if message.HasField("ttl") else None


def decode_entry(message: pb.Entry, namespace: Namespace, field: str, chance: Chance) -> Entry:
    """Return the entry that a message describes. Raises InvalidArgument with the path of what is wrong."""
    request_validation.check_key(message.key, f"{field}.key")
    request_validation.check_value(message.value, f"{field}.value")
    if message.absent and message.value:
        raise InvalidArgument(
            "VALUE_OF_NOTHING", f"{field} is absent, so {field}.value is empty", field=f"{field}.value"
        )
    request_validation.check_tags(message.tags, f"{field}.tags")
    namespaces.check_shared(namespace, message.tags, f"{field}.tags")
    if namespace.lease_required and not message.lease.epoch:
        raise InvalidArgument(
            "LEASE_REQUIRED", f"{namespace.name} is filled with the position of a miss only", field=f"{field}.lease"
        )
    ttl_ms = request_validation.ttl_ms(ttl_nanoseconds(message), namespace.max_ttl_ms, f"{field}.ttl")
    is_leased = message.HasField("lease") and not failpoints.is_on("cache.no_leases")
    return Entry(
        key=message.key,
        value=message.value,
        ttl_ms=ttl_ms if namespace.exact else request_validation.spread(ttl_ms, chance()),
        tags=[namespaces.tag_name(tag, caller()) for tag in message.tags],
        lease=decode_position(message.lease) if is_leased else None,
        absent=message.absent,
    )


def decode_position(message: pb.Position) -> Position:
    return Position(message.epoch, message.offset)


def decode_place(message: pb.WatchRequest, field: str) -> Position | None:
    """Return a position that a reader names, None if it names none. Raises InvalidArgument for one of no shape."""
    if not message.HasField(field):  # type: ignore[arg-type]  # one of two, which the caller names
        return None
    position = decode_position(getattr(message, field))
    if not request_validation.WORD.fullmatch(position.epoch) or position.offset < 0:
        raise InvalidArgument("INVALID_POSITION", f"{field} is no position that was told", field=field)
    return position


def encode_position(position: Position) -> pb.Position:
    return pb.Position(epoch=position.epoch, offset=position.offset)


def write_lookup(lookup: Lookup, into: pb.Lookup) -> None:
    """Write into a new message what was found: made apart it would be copied, and this is the most frequent answer."""
    if lookup.position is None:
        return
    into.position.epoch, into.position.offset = lookup.position.epoch, lookup.position.offset
    if lookup.value is None:
        if lookup.retry_ms:
            into.retry_after.CopyFrom(milliseconds(lookup.retry_ms))
        return
    into.found, into.value, into.absent = True, lookup.value, lookup.absent
    into.tags.extend(lookup.tags)
    seconds, rest = divmod(lookup.ttl_ms, 1_000)
    into.ttl.seconds, into.ttl.nanos = seconds, rest * 1_000_000


def encode_watch_event(event: WatchEvent) -> pb.WatchResponse:
    match event:
        case Echo(tick_ns):
            return pb.WatchResponse(tick_ns=tick_ns)
        case Event(position, tags):
            return pb.WatchResponse(invalidation=pb.Invalidation(position=encode_position(position), tags=tags))
        case Reset(position):
            return pb.WatchResponse(reset=encode_position(position))


def milliseconds(count: int) -> Duration:
    seconds, rest = divmod(count, 1_000)
    return Duration(seconds=seconds, nanos=rest * 1_000_000)
