"""Messages and enums as JSON Schema: as the gateway answers them, and as it takes them in a body."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.api.openapi.examples import examples_of

Json = dict[str, Any]
Kind = FieldDescriptor

SCALARS: dict[int, Json] = {
    Kind.TYPE_STRING: {"type": "string"},
    Kind.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    Kind.TYPE_BOOL: {"type": "boolean"},
    Kind.TYPE_DOUBLE: {"type": "number", "format": "double"},
    Kind.TYPE_FLOAT: {"type": "number", "format": "float"},
    Kind.TYPE_INT32: {"type": "integer", "format": "int32"},
    Kind.TYPE_UINT32: {"type": "integer", "format": "int32"},
    Kind.TYPE_INT64: {"type": "string", "format": "int64"},
    Kind.TYPE_UINT64: {"type": "string", "format": "int64"},
}
WELL_KNOWN: dict[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Empty": {"type": "object", "description": "An empty object."},
    "google.protobuf.Value": {},
}
IN_QUERY = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"})

ALWAYS_SET = frozenset(
    {
        *("trivet.identity.v1.Account.create_time", "trivet.identity.v1.Account.update_time"),
        *("trivet.identity.v1.Session.create_time", "trivet.identity.v1.Session.update_time"),
        *("trivet.identity.v1.User.create_time", "trivet.identity.v1.User.update_time"),
        "trivet.identity.v1.Session.expire_time",
        "trivet.identity.v1.UpdateSessionResponse.session",
        "trivet.notifications.v1.AuditEvent.time",
        "trivet.notifications.v1.LogEntry.timestamp",
    }
)
"""Fields that could be absent and never are in an answer. A field without presence is always there."""
CAN_BE_UNSPECIFIED = frozenset({"trivet.notifications.v1.Notification.type"})
"""Enum fields of answers that hold the zero value if a read mask leaves them out."""


def is_text(field: FieldDescriptor) -> bool:
    """Whether a field can be a query parameter."""
    return field.message_type is None or (not field.is_repeated and field.message_type.full_name in IN_QUERY)


def is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in _behavior(field)


class Schemas:
    """Collects the schemas that are referred to.

    An answer's message has the name of the .proto, a body's has `Input` behind it: what only the server sets is not
    part of a body, and what is only sent is not part of an answer.
    """

    def __init__(self, proto_comments: Mapping[str, str]) -> None:
        self._comments = proto_comments
        self.components: dict[str, Json] = {}
        self._owners: dict[str, str] = {}

    def message(self, descriptor: Descriptor, *, sent: bool = False) -> Json:
        """Return a reference to the schema of a message, or the schema itself of a type with a special JSON form."""
        if (known := WELL_KNOWN.get(descriptor.full_name)) is not None:
            return dict(known)
        name = self._claim(descriptor) + "Input" * sent
        if name not in self.components:
            self.components[name] = {}  # a message can contain itself
            self.components[name] = self.properties_of(descriptor, sent=sent)
        return {"$ref": f"#/components/schemas/{name}"}

    def body(self, descriptor: Descriptor, name: str, *, without: Collection[str]) -> Json:
        """Return a reference to a request's schema less some of its fields, kept under a name."""
        self.components[name] = self.properties_of(descriptor, sent=True, without=without)
        return {"$ref": f"#/components/schemas/{name}"}

    def properties_of(self, descriptor: Descriptor, *, sent: bool, without: Collection[str] = ()) -> Json:
        """Return a message's schema in place, less some of its fields."""
        fields = [field for field in _fields(descriptor, sent=sent) if field.name not in without]
        schema: Json = {
            "type": "object",
            "description": self._comments.get(descriptor.full_name, ""),
            "properties": {field.json_name: self.field(field, sent=sent) for field in fields},
        }
        if sent:
            schema["additionalProperties"] = False
        if required := [field.json_name for field in fields if _is_there(field, sent=sent)]:
            schema["required"] = required
        return schema

    def field(self, field: FieldDescriptor, *, sent: bool) -> Json:
        """Return the schema of a field with its comment in the .proto."""
        schema = self._one(field, sent=sent)
        if field.is_repeated:
            schema = {"type": "array", "items": schema}
        if comment := self._comments.get(field.full_name):
            schema["description"] = comment
        if "$ref" not in schema and "anyOf" not in schema:
            schema |= _exampled(field)
        return schema

    def _one(self, field: FieldDescriptor, *, sent: bool) -> Json:
        if field.message_type is not None:
            return self.message(field.message_type, sent=sent)
        if field.enum_type is None:
            return dict(SCALARS[field.type])
        return self._enum(field.enum_type, has_zero=not sent and field.full_name in CAN_BE_UNSPECIFIED)

    def _enum(self, descriptor: EnumDescriptor, *, has_zero: bool) -> Json:
        """Return a reference to the schema of an enum. By default it has no zero value, which means an absent value."""
        name = self._claim(descriptor) + "OrUnspecified" * has_zero
        values = [value for value in descriptor.values if has_zero or value.number]
        lines = [f"{value.name}: {self._comments.get(f'{descriptor.full_name}.{value.name}', '')}" for value in values]
        self.components[name] = {
            "type": "string",
            "enum": [value.name for value in values],
            "description": "\n".join(
                [self._comments.get(descriptor.full_name, ""), "", *(f"- {line}" for line in lines)]
            ),
        }
        return {"$ref": f"#/components/schemas/{name}"}

    def _claim(self, descriptor: Descriptor | EnumDescriptor) -> str:
        """Return the short name of a type. Raises ValueError if another type of that name is described already."""
        owner = self._owners.setdefault(descriptor.name, descriptor.full_name)
        if owner != descriptor.full_name:
            raise ValueError(f"{descriptor.full_name} and {owner} share the name {descriptor.name}")
        return str(descriptor.name)


def _fields(descriptor: Descriptor, *, sent: bool) -> Iterator[FieldDescriptor]:
    other_way = field_behavior_pb2.OUTPUT_ONLY if sent else field_behavior_pb2.INPUT_ONLY
    yield from (field for field in descriptor.fields if other_way not in _behavior(field))


def _is_there(field: FieldDescriptor, *, sent: bool) -> bool:
    if sent:
        return is_required(field)
    return not field.has_presence or field.full_name in ALWAYS_SET


def _exampled(field: FieldDescriptor) -> Json:
    assert field.containing_type is not None, "extensions are not served"
    examples = examples_of(field.containing_type.name, field.json_name)
    return {"examples": examples} if examples else {}


def _behavior(field: FieldDescriptor) -> Collection[int]:
    behavior: Collection[int] = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return behavior
