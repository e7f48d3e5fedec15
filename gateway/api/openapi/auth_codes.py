"""The codes by which an operation of the Better Auth protocol can refuse a request, each with its status."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from gateway.api.openapi.reasons import failures
from gateway.auth.protocol.csrf import CALLBACKS, LOGIN_BLOCKED, ORIGINS
from gateway.auth.protocol.feature import Endpoint
from gateway.auth.protocol.guards import SESSION_NOT_FRESH, anybody, fresh
from gateway.auth.protocol.refusals import UNAUTHORIZED, VALIDATION_ERROR, ErrorCode
from gateway.auth.protocol.validation import Anything
from gateway.auth.routes import ROUTES
from gateway.http.description import Description

OF_EVERY_REQUEST = {"INVALID_HOST": 400, "SERVICE_UNAVAILABLE": 503, "TOO_MANY_IN_FLIGHT": 503}
OF_BODIES = {
    "BAD_REQUEST": 400,
    "BODY_BROKEN_OFF": 400,
    "BODY_TOO_LARGE": 413,
    "BODY_TOO_SLOW": 408,
    "UNSUPPORTED_MEDIA_TYPE": 415,
}


def rpc_of(name: str) -> MethodDescriptor:
    """Return an RPC of identity by SERVICE.RPC."""
    return descriptor_pool.Default().FindMethodByName(f"trivet.identity.v1.{name}")


def codes_of(method: str, endpoint: Endpoint[Any], known: Description, comments: Mapping[str, str]) -> dict[str, int]:
    """Return the codes of an operation: those of the checks before its handler, of its calls, and its own."""
    bodies = OF_BODIES if method != "GET" else {}
    error_codes = (*_of_checks(method, endpoint, known), *_of_calls(known, comments))
    return OF_EVERY_REQUEST | bodies | {each.code: each.status for each in error_codes} | dict(known.refuses)


def _of_checks(method: str, endpoint: Endpoint[Any], known: Description) -> Iterator[ErrorCode]:
    read = endpoint.body if endpoint.body is not Anything else None
    if endpoint.body is not Anything or known.body:
        yield VALIDATION_ERROR
    if method == "GET":
        names = {member.encode_name for member in msgspec.structs.fields(read)} if read else ()
        yield from (error_code for name, error_code in CALLBACKS.items() if name in names)
    else:
        yield from CALLBACKS.values()  # looked for in every body
        if not endpoint.is_from_afar:
            yield from ORIGINS.values()
    if endpoint.is_first_sign_in:
        yield LOGIN_BLOCKED
    if endpoint.guard is not anybody and 401 not in known.without_body:
        yield UNAUTHORIZED
    if endpoint.guard is fresh:
        yield SESSION_NOT_FRESH


def _of_calls(known: Description, comments: Mapping[str, str]) -> Iterator[ErrorCode]:
    """Yield what becomes of the reasons of the RPCs that a handler calls."""
    for name in known.calls:
        for reason in sorted(set().union(*failures(rpc_of(name), comments).values())):
            if reason in ROUTES.error_codes:
                yield ROUTES.error_codes[reason]
