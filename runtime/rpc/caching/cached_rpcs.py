"""Reads the cache declarations (`trivet.cache.v1.cached`) of RPCs, for services that fill and readers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from runtime.clock import from_timestamp
from runtime.ids import token_hash
from trivet.cache.v1.cached_pb2 import Cached, cached
from trivet.client.near import reads

KEY = reads.KEY
"""The keys and tags that the cache accepts."""
THE_KEY = "key"
HOLE = re.compile(r"\{([a-z0-9_.]+)\}")

Tag = Callable[[str, Any], str]
"""Makes a tag from an entry's key and the response, which is None if the resource is absent."""


class WrongDeclarationError(Exception):
    """An RPC's `trivet.cache.v1.cached` is not valid. The text names the RPC."""


@dataclass(frozen=True, slots=True)
class CachedRpc:
    """An RPC whose responses are cached. `absent_ttl` is zero if absence is not cached.

    `key` and `owner` are fields of the request: what names the entry, and whose data is asked for. `own_if_unset`:
    where they are unset, the caller's own user id stands for them.
    """

    namespace: str
    key: str
    owner: str
    hashed: bool
    own_if_unset: bool
    ttl: timedelta
    absent_ttl: timedelta
    expires: Callable[[Any], Any] | None
    tags: tuple[Tag, ...]
    absent_tags: tuple[Tag, ...]

    def key_of(self, request: Message, user_id: str = "") -> str:
        """Return the cache key for a request of this user, empty if the request has none."""
        key = self._named(self.key, request, user_id)
        return token_hash(key) if self.hashed and key else key

    def may_be_shown(self, request: Message, user_id: str, *, is_admin: bool) -> bool:
        """Whether a hit can answer this user. If not, the RPC's service is called, which refuses."""
        return bool(self.owner) and (is_admin or self._named(self.owner, request, user_id) == user_id)

    def ttl_of(self, answer: Any, now: datetime) -> timedelta:
        """Return how long a response can be cached. It is not cached if this is not positive."""
        return self.ttl if self.expires is None else min(self.ttl, from_timestamp(self.expires(answer)) - now)

    def tags_of(self, key: str, answer: Any) -> list[str]:
        """Return the tags of a response. None stands for an absent resource."""
        return [tag(key, answer) for tag in (self.absent_tags if answer is None else self.tags)]

    def _named(self, field: str, request: Message, user_id: str) -> str:
        value: str = getattr(request, field)
        return value or (user_id if self.own_if_unset else "")


def declared(rpc: MethodDescriptor) -> CachedRpc | None:
    """Return the declaration of an RPC, None if it has none. Raises WrongDeclarationError."""
    options = rpc.GetOptions()
    if not options.HasExtension(cached):
        return None
    try:
        return _read(options.Extensions[cached], rpc)
    except ValueError as error:
        raise WrongDeclarationError(f"{rpc.full_name}: {error}") from None


def _read(option: Cached, rpc: MethodDescriptor) -> CachedRpc:
    key = _text_field(rpc.input_type, option.key)
    if option.owner:
        _text_field(rpc.input_type, option.owner)
    if option.expire_time:
        kind = _field(rpc.output_type, option.expire_time).message_type
        if kind is None or kind.full_name != "google.protobuf.Timestamp":
            raise ValueError(f"{option.expire_time} is no Timestamp in {rpc.output_type.name}")
    if not option.namespace or option.ttl.ToTimedelta() <= timedelta():
        raise ValueError("namespace and ttl are required")
    return CachedRpc(
        option.namespace,
        option.key,
        option.owner,
        option.hashed,
        not _is_required(key),
        option.ttl.ToTimedelta(),
        option.absent_ttl.ToTimedelta(),
        attrgetter(option.expire_time) if option.expire_time else None,
        tuple(_tag(template, rpc.output_type) for template in option.tags),
        tuple(_tag(template, rpc.output_type) for template in option.tags if set(HOLE.findall(template)) == {THE_KEY}),
    )


def _tag(template: str, answer: Descriptor) -> Tag:
    holes = [hole for hole in HOLE.findall(template) if hole != THE_KEY]
    for hole in holes:
        _text_field(answer, hole)
    return partial(_filled, template, {hole: attrgetter(hole) for hole in holes})


def _filled(template: str, holes: Mapping[str, Callable[[Any], str]], key: str, answer: Any) -> str:
    values = {THE_KEY: key, **{hole: value_of(answer) for hole, value_of in holes.items()}}
    return HOLE.sub(lambda hole: values[hole[1]], template)


def _is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _text_field(descriptor: Descriptor, path: str) -> FieldDescriptor:
    field = _field(descriptor, path)
    if field.type != FieldDescriptor.TYPE_STRING or field.is_repeated:
        raise ValueError(f"{path} is no text in {descriptor.name}")
    return field


def _field(descriptor: Descriptor, path: str) -> FieldDescriptor:
    """Return the field at a dotted path of a message. Raises ValueError."""
    head, _, rest = path.partition(".")
    field = descriptor.fields_by_name.get(head)
    if field is None:
        raise ValueError(f"{descriptor.name} has no {path or 'field of no name'}")
    if not rest:
        return field
    if field.message_type is None or field.is_repeated:
        raise ValueError(f"{head} is no message in {descriptor.name}")
    return _field(field.message_type, rest)
