"""The hand-written routes as OpenAPI operations: their handlers' docstrings, bodies, guards and descriptions."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from gateway.api.openapi.auth_codes import codes_of, rpc_of
from gateway.api.openapi.failures import (
    OF_BODIES,
    OF_EVERY_REQUEST,
    OF_SESSIONS,
    OF_SIGNATURES,
    REQUIRED_FIELD_MISSING,
    Errors,
    causes_of,
)
from gateway.api.openapi.raised import raised_by
from gateway.api.openapi.reasons import failures
from gateway.api.openapi.schemas import Json
from gateway.api.openapi.structs import Structs, path_parameter, with_fields
from gateway.auth.protocol.bodies import FORM, JSON
from gateway.auth.protocol.endpoint import BASE_PATH
from gateway.auth.protocol.feature import Endpoint
from gateway.auth.protocol.guards import public
from gateway.auth.protocol.validation import Anything, Omissible, Query
from gateway.auth.routes import ROUTES
from gateway.http.description import Description, description_of
from gateway.http.errors import Cause
from identity_rules.custom_fields import Fields

Described = tuple[str, str, Json]

IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "examples": ['"Qm3xB7cVfJ2pT9sLd5Kz"']},
    "description": "The ETag of the answer that the caller has.",
}
ETAG: Json = {"ETag": {"schema": {"type": "string"}, "description": "Identifies this version of the answer."}}
UNCHANGED: Json = {"304": {"description": "The version that the caller has is current."}}
LOCATION: Json = {"Location": {"schema": {"type": "string"}, "description": "Where the browser goes."}}
SET_AUTH_TOKEN: Json = {
    "set-auth-token": {
        "schema": {"type": "string"},
        "description": "The bearer token of the session that was opened, if one was.",
    }
}
AUTH = "Auth"
OF_PAGES = frozenset({"INVALID_PAGE", "INVALID_PAGE_SIZE", "INVALID_PAGE_TOKEN"})
"""Reasons of lists. Hand-written routes take no page from their callers."""
FORMS_TOO = f"An HTML form can post the same members as {FORM}."
BETTER_AUTH: Json = {
    "name": "Better Auth",
    "description": "Sign-up, sign-in, sessions and accounts, in the protocol of the Better Auth clients.",
}
GATEWAY: Json = {
    "name": "Gateway",
    "description": "Operations of the gateway itself: probes, webhooks and the caller's own data.",
}


@dataclass(frozen=True, slots=True)
class Site:
    """The settings that the description depends on."""

    base_url: str
    cookie: str
    user_fields: Fields = field(default_factory=dict)
    session_fields: Fields = field(default_factory=dict)


class HandWritten:
    """Makes the operations, and collects the schemas of the structs that they take and answer."""

    def __init__(self, site: Site, errors: Errors, proto_comments: Mapping[str, str]) -> None:
        self._errors = errors
        self._comments = proto_comments
        self._site = site
        self._structs = Structs()

    @property
    def components(self) -> dict[str, Json]:
        """The schemas that the operations refer to."""
        made = self._structs.components
        with_fields(made["AuthUser"], self._site.user_fields, sent=False)
        with_fields(made["AuthSession"], self._site.session_fields, sent=False)
        with_fields(made["AuthSignUp"], self._site.user_fields, sent=True, all_needed=True)
        with_fields(made["AuthUpdateUser"], self._site.user_fields, sent=True)
        with_fields(made["AuthUpdateSession"], self._site.session_fields, sent=True)
        return made

    def better_auth(self) -> Iterator[Described]:
        """Yield path, verb and operation of each route of the Better Auth protocol that is served."""
        for (method, template), endpoint in ROUTES.endpoints.items():
            known = description_of(endpoint.answer)
            if not known.is_left_out:
                path = re.sub(r":(\w+)", r"{\1}", template)
                yield f"{BASE_PATH}{path}", method.lower(), self._auth(method, path, endpoint, known)

    def others(self, routes: Iterable[BaseRoute]) -> Iterator[Described]:
        """Yield path, verb and operation of each route with a fixed set of methods."""
        for route in routes:
            if isinstance(route, Route) and route.include_in_schema:
                for method in sorted((route.methods or set()) - {"HEAD"}):
                    yield route.path, method.lower(), self._other(route, description_of(route.endpoint))

    def _auth(self, method: str, path: str, endpoint: Endpoint[Any], known: Description) -> Json:
        name = known.name or f"auth{_camel(path)}"
        operation = self._operation(name, "Better Auth", endpoint.answer, path, known, prefix=AUTH)
        query = known.query or (endpoint.body if issubclass(endpoint.body, Query) else None)
        if query is not None:
            operation["parameters"] += self._structs.parameters(query)
        body = known.body or (endpoint.body if method == "POST" and endpoint.body is not Anything else None)
        if body is not None:
            media_type = FORM if endpoint.is_cross_site else JSON
            content = {media_type: {"schema": self._structs.schema(body, AUTH)}}
            if endpoint.is_first_sign_in:
                operation["description"] += f" {FORMS_TOO}"
            operation["requestBody"] = {"required": not issubclass(body, Omissible), "content": content}
        is_guarded = endpoint.guard is not public
        operation["security"] = _security(needed=is_guarded, read=known.reads_session)
        operation["responses"] |= self._errors.of_auth(
            _capital(name),
            codes_of(method, endpoint, known, self._comments),
            without_body={500: "An unexpected failure. The answer has no body.", **known.without_body},
            without_code={429: "Too many requests. The answer has no code.", **known.without_code},
        )
        return operation

    def _other(self, route: Route, known: Description) -> Json:
        operation = self._operation(known.name, "Gateway", route.endpoint, route.path, known)
        operation["security"] = [{scheme: []} for scheme in known.security]
        if known.body is not None:
            content = {"application/json": {"schema": self._structs.schema(known.body)}}
            operation["requestBody"] = {"required": True, "content": content}
        if route.path.startswith("/v1/"):  # a read of a resource, with an ETag as in the services' reads
            operation["parameters"].append(IF_NONE_MATCH)
            operation["responses"]["200"]["headers"] = ETAG
            operation["responses"] |= UNCHANGED
        if known.security or known.calls:
            causes = self._causes(route.endpoint, known)
            operation["responses"] |= self._errors.of_resources(_capital(known.name), causes)
        return operation

    def _causes(self, handler: Callable[..., Any], known: Description) -> Iterator[Cause]:
        yield from OF_EVERY_REQUEST
        if known.body is not None:
            yield from (*OF_BODIES, REQUIRED_FIELD_MISSING)
        if "session" in known.security:
            yield from OF_SESSIONS
        if "stripe" in known.security:
            yield from OF_SIGNATURES
        yield from raised_by(handler, Cause)
        called = chain.from_iterable(causes_of(failures(rpc_of(name), self._comments)) for name in known.calls)
        yield from (cause for cause in called if cause.reason not in OF_PAGES)

    def _operation(
        self, name: str, tag: str, handler: Callable[..., Any], path: str, known: Description, *, prefix: str = ""
    ) -> Json:
        """Return an operation. Without a docstring of the handler, the path is the summary."""
        text = (handler.__doc__ or path.strip("/").replace("-", " ").replace("/", " ").capitalize()).strip()
        summary, _, description = " ".join(text.split()).partition(". ")
        variables = re.findall(r"{(\w+)}", path)
        return {
            "operationId": name,
            "tags": [tag],
            "summary": summary.rstrip("."),
            "description": description or f"{summary.rstrip('.')}.",
            "parameters": [path_parameter(variable) for variable in variables],
            "responses": self._answers(known, prefix),
        }

    def _answers(self, known: Description, prefix: str) -> dict[str, Json]:
        responses: dict[str, Json] = {}
        if known.answers:
            responses["200"] = self._answer(known.answers, prefix)
        for status, kind in known.answers_by.items():
            responses[str(status)] = self._answer((kind,), prefix)
        if known.redirects:
            responses["302"] = {"description": "The browser is sent on.", "headers": LOCATION}
        if known.signs_in:
            first = responses["200" if known.answers else "302"]
            first["headers"] = first.get("headers", {}) | SET_AUTH_TOKEN
        return responses

    def _answer(self, kinds: tuple[Any, ...], prefix: str) -> Json:
        made = [self._structs.schema(kind, prefix) for kind in kinds]
        schema = made[0] if len(made) == 1 else {"anyOf": made}
        said = [kind.__doc__ for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
        description = " Or: ".join(text for text in said if text) or "The answer."
        return {"description": description, "content": {"application/json": {"schema": schema}}}


def _security(*, needed: bool, read: bool) -> list[Json]:
    either: list[Json] = [{"session": []}, {"bearer": []}]
    if needed:
        return either
    return [{}, *either] if read else []


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _camel(path: str) -> str:
    """Return a path as a name: `/sign-in/email` is SignInEmail, and `/callback/{provider}` is Callback."""
    words = re.findall(r"[A-Za-z0-9]+", re.sub(r"{\w+}", "", path))
    return "".join(map(_capital, words))
