"""The OpenAPI 3.1 description of everything that is served, made from the same descriptors that serve it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor, ServiceDescriptor
from starlette.routing import BaseRoute

from gateway.api.http_rules import VARIABLE, WHOLE_BODY, Rule, find_field, rules
from gateway.api.openapi import failures as fail
from gateway.api.openapi.examples import examples_of
from gateway.api.openapi.failures import Errors, causes_of
from gateway.api.openapi.hand_written import BETTER_AUTH, ETAG, GATEWAY, IF_NONE_MATCH, UNCHANGED, HandWritten, Site
from gateway.api.openapi.reasons import failures
from gateway.api.openapi.schemas import Json, Schemas, is_required, is_text
from gateway.api.query_decoding import SECRETS
from gateway.api.transcoder import USER_FIELDS
from gateway.http.errors import Cause
from gateway.http.etag import is_cacheable
from runtime.version import VERSION

COMMENTS = Path(__file__).parents[3] / "protos" / "comments.json"
SECURITY: list[Json] = [{"session": []}, {"bearer": []}]
ABOUT = """Accounts, notifications, logs and a cache.

A browser signs in by an operation of Better Auth and then sends its session cookie. A program sends the value of
`set-auth-token`, which the answer to a sign-in has, as `Authorization: Bearer`."""
IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 128, "examples": ["order-1027-paid"]},
    "description": "Makes a repeated create safe. Same as requestId.",
}
IN_BRACES = re.compile(r"\{(\w+)\}")
FULL_NAMES = {
    "BatchMarkRead": "BatchMarkNotificationsRead",
    "CountUnread": "CountUnreadNotifications",
    "GetStats": "GetCacheStats",
    "MarkAllRead": "MarkAllNotificationsRead",
    "MarkRead": "MarkNotificationRead",
}
"""Names of operations whose RPC name is clear only within its service."""
ONESELF = "`me` means the caller."


def comments() -> dict[str, str]:
    """Return the comments of the .proto files by full name."""
    found: dict[str, str] = json.loads(COMMENTS.read_text(encoding="utf-8"))
    return found


def describe(services: Mapping[str, Iterable[ServiceDescriptor]], routes: Iterable[BaseRoute], site: Site) -> Json:
    """Return the document for the hand-written routes and the services' annotated RPCs."""
    proto_comments = comments()
    schemas, errors = Schemas(proto_comments), Errors()
    written = HandWritten(site, errors, proto_comments)
    paths: dict[str, Json] = {}
    for path, verb, operation in (*written.better_auth(), *written.others(routes)):
        paths.setdefault(path, {})[verb] = operation
    tags: list[Json] = [BETTER_AUTH]
    templates: dict[str, str] = {}
    for descriptors in services.values():
        for service in descriptors:
            tags.append({"name": service.name, "description": proto_comments.get(service.full_name, "")})
            for rule in rules([service]):
                # Paths that differ by a variable's name alone are one path to OpenAPI: it has the first one's names.
                template = templates.setdefault(VARIABLE.sub("{}", rule.template), _named_as_json(rule.template))
                paths.setdefault(template, {})[rule.verb.lower()] = _operation(
                    rule, template, schemas, errors, proto_comments
                )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trivet",
            "version": VERSION,
            "description": ABOUT,
            "contact": {"name": "Trivet"},
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": site.base_url, "description": "This Trivet, as TRIVET_BASE_URL names it."}],
        "tags": [*tags, GATEWAY],
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, **written.components, **errors.components},
            "securitySchemes": _security_schemes(site),
        },
    }


def _security_schemes(site: Site) -> Json:
    """Return the ways to authenticate a request."""
    return {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": site.cookie,
            "description": "The cookie that a sign-in sets. Browsers send it by themselves.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The value of the header `set-auth-token`, which the answer to a sign-in has.",
        },
        "stripe": {
            "type": "apiKey",
            "in": "header",
            "name": "Stripe-Signature",
            "description": "Stripe's signature over the body.",
        },
    }


def name_of(rule: Rule) -> str:
    """Return the name of an operation, in UpperCamel."""
    return FULL_NAMES.get(rule.rpc.name, rule.rpc.name)


def _operation(rule: Rule, template: str, schemas: Schemas, errors: Errors, proto_comments: Mapping[str, str]) -> Json:
    rpc, name = rule.rpc, name_of(rule)
    summary, _, description = proto_comments.get(rpc.full_name, "").partition(". ")
    answer: Json = {
        "description": proto_comments.get(rpc.output_type.full_name) or "Done.",
        "content": {"application/json": {"schema": schemas.message(rpc.output_type)}},
    }
    responses: Json = {"200": answer}
    if is_cacheable(rule.verb, rpc):
        answer["headers"] = ETAG
        responses |= UNCHANGED
    operation: Json = {
        "operationId": name[0].lower() + name[1:],
        "tags": [rpc.containing_service.name],
        "summary": summary.rstrip("."),
        "description": description or f"{summary.rstrip('.')}.",
        "parameters": [
            *_path_parameters(rule, template, schemas),
            *_query_parameters(rule, schemas),
            *_headers(rule),
        ],
        "responses": responses | errors.of_resources(name, _causes(rule, proto_comments)),
        "security": SECURITY,
    }
    if rule.body:
        operation["requestBody"] = {"required": rule.body != WHOLE_BODY, **_body(rule, schemas)}
    return operation


def _named_as_json(template: str) -> str:
    """Return a path whose variables have the names that their fields have in JSON; of a field in a message the last."""
    return VARIABLE.sub(lambda found: f"{{{_camel(found[1].rpartition('.')[2])}}}", template)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _causes(rule: Rule, proto_comments: Mapping[str, str]) -> Iterator[Cause]:
    """Yield every failure of an operation, whether the gateway or the service refuses the call."""
    yield from (*fail.OF_EVERY_REQUEST, *fail.OF_SESSIONS, *fail.OF_CALLS)
    if rule.verb != "GET":
        yield from fail.OF_CHANGES
    if rule.body:
        yield from (*fail.OF_BODIES, *fail.OF_JSON_BODIES)
    yield from causes_of(failures(rule.rpc, proto_comments))


def _body(rule: Rule, schemas: Schemas) -> Json:
    if rule.body != WHOLE_BODY:
        field = rule.rpc.input_type.fields_by_name[rule.body]
        assert field.message_type is not None, "checked when the rule was read"
        schema = schemas.message(field.message_type, sent=True)
    else:
        in_path = {variable.path[0] for variable in rule.variables}
        schema = schemas.body(rule.rpc.input_type, f"{name_of(rule)}Body", without=in_path)
    return {"content": {"application/json": {"schema": schema}}}


def _path_parameters(rule: Rule, template: str, schemas: Schemas) -> Iterator[Json]:
    for variable, name in zip(rule.variables, IN_BRACES.findall(template), strict=True):
        field = find_field(rule.rpc.input_type, variable.path)
        assert field is not None, "checked when the rule was read"
        parameter = _parameter(name, field, schemas, "path")
        if variable.path in USER_FIELDS and "`me`" not in parameter["description"]:
            parameter["description"] += f" {ONESELF}"
        if examples := examples_of(name_of(rule), name):
            parameter["schema"]["examples"] = examples
        yield parameter


def _query_parameters(rule: Rule, schemas: Schemas) -> Iterator[Json]:
    if rule.body == WHOLE_BODY:
        return
    taken = {variable.path[0] for variable in rule.variables} | {rule.body} | SECRETS
    for field in rule.rpc.input_type.fields:
        if field.name not in taken and is_text(field):
            yield _parameter(field.json_name, field, schemas, "query")


def _parameter(name: str, field: FieldDescriptor, schemas: Schemas, where: str) -> Json:
    schema = schemas.field(field, sent=True)
    description = schema.pop("description", "")
    required = where == "path" or is_required(field)
    return {"name": name, "in": where, "required": required, "schema": schema, "description": description}


def _headers(rule: Rule) -> Iterator[Json]:
    if "request_id" in rule.rpc.input_type.fields_by_name:
        yield IDEMPOTENCY_KEY
    if is_cacheable(rule.verb, rule.rpc):
        yield IF_NONE_MATCH
