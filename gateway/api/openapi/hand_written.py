"""The hand-written routes as OpenAPI operations, described by their handlers' docstrings."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from gateway.api.openapi.schemas import Json
from gateway.auth.endpoints import ENDPOINTS
from gateway.auth.protocol.endpoint import BASE_PATH
from gateway.auth.protocol.validation import Anything

Described = tuple[str, str, Json]

IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The ETag of the answer that the caller has kept.",
}
ETAG: Json = {"ETag": {"schema": {"type": "string"}, "description": "Names this very answer."}}
UNCHANGED: Json = {"304": {"description": "What the caller has kept still holds."}}


def hand_written(routes: Iterable[BaseRoute]) -> Iterator[Described]:
    """Yield path, verb and operation of each route with a fixed set of methods."""
    for route in routes:
        if isinstance(route, Route) and route.include_in_schema:
            for method in sorted((route.methods or set()) - {"HEAD"}):
                operation = _operation(method, route.path, "Gateway", route.endpoint.__doc__)
                if route.path.startswith("/v1/"):  # a resource read, as those of the services are
                    operation["parameters"] = [IF_NONE_MATCH]
                    operation["responses"]["200"]["headers"] = ETAG
                    operation["responses"] |= UNCHANGED
                yield route.path, method.lower(), operation


def better_auth() -> Iterator[Described]:
    """Yield path, verb and operation of each route of the Better Auth protocol that is served."""
    for (method, template), endpoint in ENDPOINTS.items():
        path = re.sub(r":(\w+)", r"{\1}", template)
        operation = _operation(method, f"{BASE_PATH}{path}", "Better Auth", endpoint.answer.__doc__)
        if endpoint.body is not Anything:
            content = {"application/json": {"schema": _schema(endpoint.body)}}
            operation["requestBody"] = {"required": True, "content": content}
        yield f"{BASE_PATH}{path}", method.lower(), operation


def _schema(body: type[msgspec.Struct]) -> Json:
    _, components = msgspec.json.schema_components((body,), schema_hook=lambda _: {"description": "Any value."})
    schema: Json = _inlined(components[body.__name__], components)
    return schema


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    """Return a schema with what it refers to in the reference's place: a body's parts are nobody else's."""
    if isinstance(schema, dict):
        if name := str(schema.get("$ref", "")).rpartition("/")[2]:
            return _inlined(components[name], components)
        return {key: _inlined(value, components) for key, value in schema.items()}
    return [_inlined(each, components) for each in schema] if isinstance(schema, list) else schema


def _operation(method: str, path: str, tag: str, docstring: str | None) -> Json:
    """Return an operation; a handler without a docstring is one whose path says it all."""
    sentence = (docstring or path.removeprefix(BASE_PATH).strip("/").replace("-", " ")).strip().splitlines()[0]
    summary, _, description = sentence.partition(". ")
    operation: Json = {
        "operationId": f"{method.lower()}{path}",
        "tags": [tag],
        "summary": summary.rstrip("."),
        "description": description,
        "responses": {"200": {"description": "The answer."}},
    }
    if names := re.findall(r"{(\w+)}", path):
        text = {"type": "string"}
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "schema": text} for name in names]
    return operation
