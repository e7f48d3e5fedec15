"""The hand-written routes as OpenAPI operations, described by their handlers' docstrings."""

from collections.abc import Iterable, Iterator

import msgspec
from starlette.routing import BaseRoute, Route

from gateway.auth.endpoints import ENDPOINTS
from gateway.auth.protocol import BASE_PATH
from gateway.auth.validation import Anything
from gateway.openapi_schemas import Json

Described = tuple[str, str, Json]


def hand_written(routes: Iterable[BaseRoute]) -> Iterator[Described]:
    """Yield path, verb and operation of each route with a fixed set of methods."""
    for route in routes:
        if isinstance(route, Route) and route.include_in_schema:
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield route.path, method.lower(), _operation(method, route.path, "Gateway", route.endpoint.__doc__)


def better_auth() -> Iterator[Described]:
    """Yield path, verb and operation of each route of the Better Auth protocol that is served."""
    for (method, path), endpoint in ENDPOINTS.items():
        operation = _operation(method, f"{BASE_PATH}{path}", "Better Auth", endpoint.answer.__doc__)
        if endpoint.body is not Anything:
            content = {"application/json": {"schema": _schema(endpoint.body)}}
            operation["requestBody"] = {"required": True, "content": content}
        yield f"{BASE_PATH}{path}", method.lower(), operation


def _schema(body: type[msgspec.Struct]) -> Json:
    _, components = msgspec.json.schema_components((body,), schema_hook=lambda _: {"description": "Any value."})
    schema: Json = components[body.__name__]
    return schema


def _operation(method: str, path: str, tag: str, docstring: str | None) -> Json:
    """Return an operation; a handler without a docstring is one whose path says it all."""
    sentence = (docstring or path.removeprefix(BASE_PATH).strip("/").replace("-", " ")).strip().splitlines()[0]
    summary, _, description = sentence.partition(". ")
    return {
        "operationId": f"{method.lower()}{path}",
        "tags": [tag],
        "summary": summary.rstrip("."),
        "description": description,
        "responses": {"200": {"description": "The answer."}},
    }
