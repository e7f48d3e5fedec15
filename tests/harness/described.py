"""Holds answers of a gateway against its API description: status, media type and body."""

import functools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import MagicMock

import httpx
import jsonschema_rs
import pytest

from gateway import dev_mailbox, probes, webhooks
from gateway.api import me
from gateway.api.openapi.document import describe
from gateway.api.openapi.hand_written import Site
from gateway.api.services import SERVICES

Json = dict[str, Any]
VERBS = frozenset({"get", "put", "post", "patch", "delete"})
OPEN = frozenset({"AuthUser", "AuthSession"})
"""Schemas that a product's own fields extend."""
NO_BODY = re.compile("no body", re.IGNORECASE)


def described() -> Json:
    """Return the whole description, as a gateway in development serves it that declares no fields of its own."""
    deps = MagicMock()  # routes are listed, and none is called
    deps.settings.is_production = False
    routes = [route for family in (probes, me, webhooks, dev_mailbox) for route in family.routes(deps)]
    return describe(SERVICES, routes, Site("http://localhost:8000", "better-auth.session_token"))


class Description:
    """Finds the operation of an answer and says what is wrong with it.

    More strictly than the document: an answer has no members but those that are described.
    """

    def __init__(self, document: Json) -> None:
        self._document = document
        self._schemas = {name: _closed(name, schema) for name, schema in document["components"]["schemas"].items()}
        paths = sorted(document["paths"], key=lambda path: path.count("{"))
        self._paths = [(_pattern(path), path) for path in paths]
        self._validator = functools.cache(self._new_validator)

    def operation(self, method: str, path: str) -> Json | None:
        """Return the operation that answers a request, None if the description has none."""
        if method.lower() not in VERBS:
            return None
        template = next((template for pattern, template in self._paths if pattern.fullmatch(path)), None)
        found: Json | None = self._document["paths"][template].get(method.lower()) if template else None
        return found

    def fault(self, method: str, path: str, status: int, media_type: str, body: bytes) -> str:
        """Return what in an answer is not as described, empty if nothing is."""
        operation = self.operation(method, path)
        if operation is None:
            return ""
        what = f"{operation['operationId']} answered {status}"
        response = operation["responses"].get(str(status))
        if response is None:
            return f"{what}, which is not described: {body[:300]!r}"
        content = response.get("content", {})
        if not body or media_type.startswith("text/html"):
            return "" if not content or NO_BODY.search(response["description"]) or body else f"{what} without a body"
        if "application/json" not in content:
            return f"{what} with a body, which is not described: {body[:300]!r}"
        error = self._error(content["application/json"]["schema"], json.loads(body))
        return f"{what}: {error}\n{body[:1_000].decode()}" if error else ""

    def error(self, schema: Json, value: Any) -> str:
        """Return why a value is not of a schema of the description, empty if it is."""
        return self._error(schema, value)

    def _error(self, schema: Json, value: Any) -> str:
        found = next(self._validator(json.dumps(schema)).iter_errors(value), None)
        return "" if found is None else f"{found.message} at {'/'.join(map(str, found.instance_path))}"

    def _new_validator(self, schema: str) -> Any:
        return jsonschema_rs.Draft202012Validator({**json.loads(schema), "components": {"schemas": self._schemas}})


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(
        "".join("[^/:]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", template))
    )


def _closed(name: str, schema: Json) -> Json:
    """Return an object's schema without room for members that it does not name."""
    made = deepcopy(schema)
    if "properties" in made and name not in OPEN:
        made.setdefault("additionalProperties", False)
    return made


@contextmanager
def every_answer_is_described(patch: pytest.MonkeyPatch, description: Description) -> Iterator[None]:
    """Fail the test inside whose httpx clients get an answer of a gateway that is not as described."""
    sync_send, async_send = httpx.Client.send, httpx.AsyncClient.send

    def check(answer: httpx.Response) -> None:
        if "x-request-id" in answer.headers and answer.is_closed and hasattr(answer, "_content"):
            request, media_type = answer.request, answer.headers.get("content-type", "")
            fault = description.fault(request.method, request.url.path, answer.status_code, media_type, answer.content)
            assert not fault, fault

    def send(client: httpx.Client, *arguments: Any, **named: Any) -> httpx.Response:
        answer = sync_send(client, *arguments, **named)
        check(answer)
        return answer

    async def send_async(client: httpx.AsyncClient, *arguments: Any, **named: Any) -> httpx.Response:
        answer = await async_send(client, *arguments, **named)
        check(answer)
        return answer

    patch.setattr(httpx.Client, "send", send)
    patch.setattr(httpx.AsyncClient, "send", send_async)
    yield
