"""The codes by which an operation of the Better Auth protocol can refuse a request, each with its status."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from gateway.api.openapi.reasons import failures
from gateway.auth.endpoints import Endpoint
from gateway.auth.protocol.csrf import CALLBACKS
from gateway.auth.protocol.guards import anybody, fresh
from gateway.auth.protocol.refusals import CODES, TEXTS
from gateway.auth.protocol.validation import Anything
from gateway.auth.routes.provider_refusals import REFUSALS
from gateway.http.description import Description

OF_PROVIDERS = "AccountService"
OF_EVERY_REQUEST = {"INVALID_HOST": 400, "SERVICE_UNAVAILABLE": 503, "TOO_MANY_IN_FLIGHT": 503}
OF_BODIES = {
    "BAD_REQUEST": 400,
    "BODY_BROKEN_OFF": 400,
    "BODY_TOO_LARGE": 413,
    "BODY_TOO_SLOW": 408,
    "UNSUPPORTED_MEDIA_TYPE": 415,
}
ORIGINS = ("INVALID_ORIGIN", "MISSING_OR_NULL_ORIGIN")


def rpc_of(name: str) -> MethodDescriptor:
    """Return an RPC of identity by SERVICE.RPC."""
    return descriptor_pool.Default().FindMethodByName(f"trivet.identity.v1.{name}")


def codes_of(method: str, endpoint: Endpoint[Any], known: Description, comments: Mapping[str, str]) -> dict[str, int]:
    """Return the codes of an operation: those of the checks before its handler, of its calls, and its own."""
    return (
        OF_EVERY_REQUEST
        | dict(_of_checks(method, endpoint, known))
        | dict(_of_calls(known, comments))
        | dict(known.refuses)
    )


def _of_checks(method: str, endpoint: Endpoint[Any], known: Description) -> Iterator[tuple[str, int]]:
    read = endpoint.body if endpoint.body is not Anything else None
    if endpoint.body is not Anything or known.body:
        yield "VALIDATION_ERROR", 400
    if method == "GET":
        names = {member.encode_name for member in msgspec.structs.fields(read)} if read else ()
        yield from ((code, TEXTS[code][0]) for name, code in CALLBACKS.items() if name in names)
    else:
        yield from ((code, TEXTS[code][0]) for code in CALLBACKS.values())  # looked for in every body
        yield from OF_BODIES.items()
        if not endpoint.is_from_afar:
            yield from ((code, TEXTS[code][0]) for code in ORIGINS)
    if endpoint.is_first_sign_in:
        yield "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED", 403
    if endpoint.guard is not anybody and 401 not in known.without_body:
        yield "UNAUTHORIZED", 401
    if endpoint.guard is fresh:
        yield "SESSION_NOT_FRESH", 403


def _of_calls(known: Description, comments: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield what becomes of the reasons of the RPCs that a handler calls."""
    for name in known.calls:
        for reason in sorted(set().union(*failures(rpc_of(name), comments).values())):
            if name.startswith(OF_PROVIDERS) and reason in REFUSALS:
                status, code, _ = REFUSALS[reason]
                yield code, status
            elif reason in CODES:
                yield CODES[reason], TEXTS[CODES[reason]][0]
