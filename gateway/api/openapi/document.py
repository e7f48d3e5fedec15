"""The OpenAPI 3.1 description of everything that is served, made from the same descriptors that serve it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor, ServiceDescriptor
from starlette.routing import BaseRoute

from gateway.api.http_rules import VARIABLE, WHOLE_BODY, Rule, find_field, rules
from gateway.api.openapi.hand_written import ETAG, IF_NONE_MATCH, UNCHANGED, better_auth, hand_written
from gateway.api.openapi.schemas import Json, Schemas, is_text
from gateway.api.query_decoding import SECRETS
from gateway.http.etag import is_kept

COMMENTS = Path(__file__).parents[3] / "protos" / "comments.json"
VERSION = "0.1.0"
SECURITY: list[Json] = [{"cookie": []}, {"bearer": []}]
IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 128},
    "description": "Makes a repeated create safe; the same as requestId.",
}
ERROR: Json = {
    "type": "object",
    "description": "A failure, in the shape of AIP-193.",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "integer", "description": "The HTTP status."},
                "status": {"type": "string", "description": "The code by name, for example NOT_FOUND."},
                "message": {"type": "string", "description": "One sentence for people."},
                "details": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
            },
        }
    },
}


def comments() -> dict[str, str]:
    """Return what the .proto files say of each full name."""
    found: dict[str, str] = json.loads(COMMENTS.read_text(encoding="utf-8"))
    return found


def describe(services: Mapping[str, Iterable[ServiceDescriptor]], routes: Iterable[BaseRoute], *, cookie: str) -> Json:
    """Return the document for the services' annotated RPCs and the hand-written routes."""
    said = comments()
    schemas = Schemas(said)
    paths: dict[str, Json] = {}
    templates: dict[str, str] = {}
    for descriptors in services.values():
        for rule in rules(descriptors):
            # Paths that differ by a variable's name alone are one path to OpenAPI: it has the first one's names.
            template = templates.setdefault(VARIABLE.sub("{}", rule.template), rule.template)
            paths.setdefault(template, {})[rule.verb.lower()] = _operation(rule, template, schemas, said)
    for path, verb, operation in (*better_auth(), *hand_written(routes)):
        paths.setdefault(path, {}).setdefault(verb, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Trivet", "version": VERSION, "description": "Accounts, notifications, logs and a cache."},
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Error": ERROR},
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": cookie},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(rule: Rule, template: str, schemas: Schemas, said: Mapping[str, str]) -> Json:
    summary, _, description = said.get(rule.rpc.full_name, "").partition(". ")
    operation: Json = {
        "operationId": f"{rule.rpc.containing_service.name}_{rule.rpc.name}",
        "tags": [rule.rpc.containing_service.name],
        "summary": summary.rstrip("."),
        "description": description,
        "parameters": [
            *_path_parameters(rule, template, schemas),
            *_query_parameters(rule, schemas),
            *_headers(rule),
        ],
        "responses": {
            "200": _content("The answer.", schemas.message(rule.rpc.output_type)),
            "default": _content("A failure.", {"$ref": "#/components/schemas/Error"}),
        },
        "security": SECURITY,
    }
    if is_kept(rule.verb, rule.rpc):
        operation["responses"]["200"]["headers"] = ETAG
        operation["responses"] |= UNCHANGED
    if rule.body:
        operation["requestBody"] = {"required": rule.body != WHOLE_BODY, **_body(rule, schemas)}
    return operation


def _content(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _body(rule: Rule, schemas: Schemas) -> Json:
    if rule.body != WHOLE_BODY:
        field = rule.rpc.input_type.fields_by_name[rule.body]
        return {"content": {"application/json": {"schema": schemas.field(field)}}}
    in_path = {variable.path[0] for variable in rule.variables}
    return {"content": {"application/json": {"schema": schemas.properties_of(rule.rpc.input_type, without=in_path)}}}


def _path_parameters(rule: Rule, template: str, schemas: Schemas) -> Iterator[Json]:
    for variable, name in zip(rule.variables, VARIABLE.findall(template), strict=True):
        field = find_field(rule.rpc.input_type, variable.path)
        assert field is not None, "checked when the rule was read"
        yield _parameter(name, field, schemas, "path")


def _query_parameters(rule: Rule, schemas: Schemas) -> Iterator[Json]:
    if rule.body == WHOLE_BODY:
        return
    taken = {variable.path[0] for variable in rule.variables} | {rule.body} | SECRETS
    for field in rule.rpc.input_type.fields:
        if field.name not in taken and is_text(field):
            yield _parameter(field.json_name, field, schemas, "query")


def _parameter(name: str, field: FieldDescriptor, schemas: Schemas, where: str) -> Json:
    schema = schemas.field(field)
    description = schema.pop("description", "")
    schema.pop("readOnly", None)
    return {"name": name, "in": where, "required": where == "path", "schema": schema, "description": description}


def _headers(rule: Rule) -> Iterator[Json]:
    if "request_id" in rule.rpc.input_type.fields_by_name:
        yield IDEMPOTENCY_KEY
    if is_kept(rule.verb, rule.rpc):
        yield IF_NONE_MATCH
