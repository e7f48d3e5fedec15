"""The structs of hand-written routes as JSON Schema."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.api.openapi.examples import SENTENCES, examples_of
from gateway.sessions.wire_objects import SessionObject, UserObject
from identity_rules.custom_fields import Field, Fields

Json = dict[str, Any]

OWN = "#/structs/"
SHARED = "#/components/schemas/"
FIELD_TYPES: Mapping[str, Json] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string"},
}


class Structs:
    """Collects the schemas of structs, each under its class's name behind a prefix."""

    def __init__(self) -> None:
        self.components: dict[str, Json] = {}
        for struct, name in ((UserObject, "AuthUser"), (SessionObject, "AuthSession")):
            _, found = _schemas_of(struct)
            self.components[name] = _worded(found[struct.__name__], name)

    def schema(self, kind: Any, prefix: str = "") -> Json:
        """Return the schema of what a route answers or takes. Raises ValueError if two structs share a name."""
        if kind is None:
            return {"type": "null"}
        schema, found = _schemas_of(kind)
        for name, component in found.items():
            made = _worded(_renamed(component, prefix), prefix + name)
            if self.components.setdefault(prefix + name, made) != made:
                raise ValueError(f"two structs of the description have the name {prefix}{name}")
        renamed: Json = _renamed(schema, prefix)
        return renamed

    def parameters(self, query: type[msgspec.Struct]) -> list[Json]:
        """Return the members of a struct as the parameters of a query."""
        _, found = _schemas_of(query)
        schema = _worded(found[query.__name__], query.__name__)
        needed = schema.get("required", ())
        return [parameter(name, "query", one, required=name in needed) for name, one in schema["properties"].items()]


def parameter(name: str, where: str, schema: Json, *, required: bool) -> Json:
    """Return a parameter with its schema's description."""
    description = schema.get("description", "")
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"name": name, "in": where, "required": required, "schema": rest, "description": description}


def path_parameter(name: str) -> Json:
    """Return a segment that a path leaves open."""
    schema: Json = {"type": "string", "examples": examples_of("", name), "description": SENTENCES[name]}
    return parameter(name, "path", schema, required=True)


def with_fields(schema: Json, fields: Fields, *, sent: bool, all_needed: bool = False) -> None:
    """Add the fields that a product declares: to a body those that people can set, to an answer those that it has."""
    for name, field in fields.items():
        if not (field.input if sent else field.returned):
            continue
        schema.setdefault("properties", {})[name] = _field(field)
        if not sent or (all_needed and field.required and field.default is None):
            schema.setdefault("required", []).append(name)


def _field(field: Field) -> Json:
    one = FIELD_TYPES[field.type.removesuffix("[]")]
    made = {"type": "array", "items": one} if field.type.endswith("[]") else one
    return {**made, "type": [made["type"], "null"], "description": "A field that this Trivet's settings declare."}


def _nullable(schema: Json) -> Json:
    """Return a plain type or null as OpenAPI 3.1 writes it: one schema with two types."""
    options = schema.get("anyOf", [])
    if len(options) != 2 or {"type": "null"} not in options or not all("type" in option for option in options):
        return schema
    (plain,) = (option for option in options if option != {"type": "null"})
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**plain, **rest, "type": [plain["type"], "null"]}


def _schemas_of(kind: Any) -> tuple[Json, Mapping[str, Json]]:
    """Return a type's schema, and those of its structs by name."""
    (schema,), found = msgspec.json.schema_components(
        (kind,), schema_hook=lambda _: {"description": "Any value."}, ref_template=f"{OWN}{{name}}"
    )
    return schema, found


def _renamed(schema: Any, prefix: str) -> Any:
    """Return a schema whose references to structs lead to the document's components."""
    if isinstance(schema, dict):
        made = {key: _renamed(value, prefix) for key, value in schema.items()}
        if str(made.get("$ref", "")).startswith(OWN):
            made["$ref"] = f"{SHARED}{prefix}{made['$ref'].removeprefix(OWN)}"
        return made
    return [_renamed(each, prefix) for each in schema] if isinstance(schema, list) else schema


def _worded(component: Json, owner: str) -> Json:
    """Return a struct's schema with a sentence and an example for each member."""
    properties = {name: _member(dict(one), owner, name) for name, one in component.get("properties", {}).items()}
    made = {key: value for key, value in component.items() if key not in ("title", "properties", "required")}
    made["properties"] = properties
    if required := component.get("required"):
        made["required"] = required
    return made


def _member(schema: Json, owner: str, name: str) -> Json:
    schema.pop("default", None)
    schema = _nullable(schema)
    if sentence := SENTENCES.get(f"{owner}.{name}", SENTENCES.get(name)):
        schema["description"] = sentence
    is_of_structs = "$ref" in schema or any("$ref" in option for option in schema.get("anyOf", ()))
    if not is_of_structs and (examples := examples_of(owner, name)):
        schema["examples"] = examples
    return schema
