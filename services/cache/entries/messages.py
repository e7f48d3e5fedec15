"""Decodes entries and encodes lookups."""

from collections.abc import Callable

from runtime import failpoints
from runtime.errors import InvalidArgument
from services.cache import namespaces, request_validation
from services.cache.entries.entries import Entry, Lookup
from services.cache.invalidation.messages import decode_position
from services.cache.messages import caller, milliseconds, ttl_nanoseconds
from services.cache.namespaces import Namespace
from trivet.cache.v1 import cache_pb2 as pb

Chance = Callable[[], float]
"""Returns a random number from 0 to 1."""


def decode_entry(message: pb.Entry, namespace: Namespace, field: str, chance: Chance) -> Entry:
    """Return the entry of a message. `field` is its path for errors. Raises InvalidArgument, naming the field."""
    request_validation.check_key(message.key, f"{field}.key")
    request_validation.check_value(message.value, f"{field}.value")
    if message.absent and message.value:
        raise InvalidArgument(
            "VALUE_OF_NOTHING", f"{field}.value must be empty if {field}.absent is set", field=f"{field}.value"
        )
    request_validation.check_tags(message.tags, f"{field}.tags")
    namespaces.check_shared(namespace, message.tags, f"{field}.tags")
    if namespace.lease_required and not message.lease.epoch:
        raise InvalidArgument(
            "LEASE_REQUIRED",
            f"{field}.lease must be the position of a miss: the namespace {namespace.name} requires it",
            field=f"{field}.lease",
        )
    ttl_ms = request_validation.ttl_ms(ttl_nanoseconds(message), namespace.max_ttl_ms, f"{field}.ttl")
    is_leased = message.HasField("lease") and not failpoints.is_on("cache.no_leases")
    return Entry(
        key=message.key,
        value=message.value,
        ttl_ms=ttl_ms if namespace.exact else request_validation.jitter(ttl_ms, chance()),
        tags=[namespaces.tag_name(tag, caller()) for tag in message.tags],
        lease=decode_position(message.lease) if is_leased else None,
        absent=message.absent,
    )


def write_lookup(lookup: Lookup, into: pb.Lookup) -> None:
    """Encode the lookup into `into`, a new message. Another message would be copied, at the most frequent response."""
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
