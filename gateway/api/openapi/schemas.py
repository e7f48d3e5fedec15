"""Messages and enums as JSON Schema."""

from collections.abc import Collection, Mapping
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

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
    "google.protobuf.Duration": {"type": "string", "examples": ["3600s"]},
    "google.protobuf.FieldMask": {"type": "string", "examples": ["name,image"]},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Value": {},
}
IN_QUERY = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"})


def is_text(field: FieldDescriptor) -> bool:
    """Whether a field can stand in a query string."""
    return field.message_type is None or (not field.is_repeated and field.message_type.full_name in IN_QUERY)


class Schemas:
    """Collects the schemas that are referred to, each under its message's or enum's short name."""

    def __init__(self, said: Mapping[str, str]) -> None:
        self._said = said
        self.components: dict[str, Json] = {}
        self._owners: dict[str, str] = {}

    def message(self, descriptor: Descriptor) -> Json:
        """Return a reference to a message's schema, or the schema of a type that JSON has a form of its own for."""
        if (known := WELL_KNOWN.get(descriptor.full_name)) is not None:
            return dict(known)
        name = self._claim(descriptor)
        if name not in self.components:
            self.components[name] = {}  # a message may hold itself
            self.components[name] = self.properties_of(descriptor)
        return {"$ref": f"#/components/schemas/{name}"}

    def properties_of(self, descriptor: Descriptor, *, without: Collection[str] = ()) -> Json:
        """Return a message's schema in place, less some of its fields."""
        fields = [field for field in descriptor.fields if field.name not in without]
        schema: Json = {
            "type": "object",
            "description": self._said.get(descriptor.full_name, ""),
            "properties": {field.json_name: self.field(field) for field in fields},
            "additionalProperties": False,
        }
        if required := [field.json_name for field in fields if field_behavior_pb2.REQUIRED in _behavior(field)]:
            schema["required"] = required
        return schema

    def field(self, field: FieldDescriptor) -> Json:
        """Return a field's schema with what the .proto says of it."""
        schema = self._one(field)
        if field.is_repeated:
            schema = {"type": "array", "items": schema}
        if comment := self._said.get(field.full_name):
            schema["description"] = comment
        behavior = _behavior(field)
        if field_behavior_pb2.OUTPUT_ONLY in behavior:
            schema["readOnly"] = True
        if field_behavior_pb2.INPUT_ONLY in behavior:
            schema["writeOnly"] = True
        return schema

    def _one(self, field: FieldDescriptor) -> Json:
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        return dict(SCALARS[field.type])

    def _enum(self, descriptor: EnumDescriptor) -> Json:
        name = self._claim(descriptor)
        lines = [
            f"{value.name}: {self._said.get(f'{descriptor.full_name}.{value.name}', '')}" for value in descriptor.values
        ]
        self.components[name] = {
            "type": "string",
            "enum": [value.name for value in descriptor.values],
            "description": "\n".join([self._said.get(descriptor.full_name, ""), *lines]),
        }
        return {"$ref": f"#/components/schemas/{name}"}

    def _claim(self, descriptor: Descriptor | EnumDescriptor) -> str:
        """Return the short name of a type. Raises ValueError if another type of that name is described already."""
        owner = self._owners.setdefault(descriptor.name, descriptor.full_name)
        if owner != descriptor.full_name:
            raise ValueError(f"{descriptor.full_name} and {owner} share the name {descriptor.name}")
        return str(descriptor.name)


def _behavior(field: FieldDescriptor) -> Collection[int]:
    behavior: Collection[int] = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return behavior
