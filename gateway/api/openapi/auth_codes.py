"""The codes by which an operation of the Better Auth protocol can refuse a request, each with its status."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from gateway.api.openapi.raised import raised_by
from gateway.api.openapi.reasons import failures
from gateway.auth.protocol import csrf
from gateway.auth.protocol.bodies import read_body
from gateway.auth.protocol.feature import Endpoint
from gateway.auth.protocol.refusals import VALIDATION_ERROR, ErrorCode
from gateway.auth.protocol.validation import Anything
from gateway.auth.routes import ROUTES
from gateway.http.description import Description

OF_EVERY_REQUEST = {"INVALID_HOST": 400, "SERVICE_UNAVAILABLE": 503, "TOO_MANY_IN_FLIGHT": 503}
OF_BODIES = {
    "BODY_BROKEN_OFF": 400,
    "BODY_TOO_LARGE": 413,
    "BODY_TOO_SLOW": 408,
}


def rpc_of(name: str) -> MethodDescriptor:
    """Return an RPC of identity by SERVICE.RPC."""
    return descriptor_pool.Default().FindMethodByName(f"trivet.identity.v1.{name}")


def codes_of(method: str, endpoint: Endpoint[Any], known: Description, comments: Mapping[str, str]) -> dict[str, int]:
    """Return the codes of an operation: those of the checks before its handler, of its calls, and its own."""
    bodies = OF_BODIES if method != "GET" else {}
    own = raised_by(endpoint.answer, ErrorCode, but=(read_body,))
    error_codes = (*_of_checks(method, endpoint, known), *_of_calls(known, comments), *own)
    return OF_EVERY_REQUEST | bodies | {each.code: each.status for each in error_codes}


def _of_checks(method: str, endpoint: Endpoint[Any], known: Description) -> Iterator[ErrorCode]:
    read = endpoint.body if endpoint.body is not Anything else None
    if endpoint.body is not Anything or known.body:
        yield VALIDATION_ERROR
    if method == "GET":
        names = {member.encode_name for member in msgspec.structs.fields(read)} if read else ()
        yield from (error_code for name, error_code in csrf.CALLBACKS.items() if name in names)
    else:
        yield from raised_by(read_body, ErrorCode)
        yield from raised_by(csrf.check_callbacks, ErrorCode)
        if not endpoint.is_from_afar:
            yield from raised_by(csrf.check_cookie_origin, ErrorCode)
    if endpoint.is_first_sign_in:
        yield from raised_by(csrf.check_first_sign_in, ErrorCode)
    of_guard = raised_by(endpoint.guard, ErrorCode, but=(read_body,))
    yield from (each for each in of_guard if each.status not in known.without_body)


def _of_calls(known: Description, comments: Mapping[str, str]) -> Iterator[ErrorCode]:
    """Yield what becomes of the reasons of the RPCs that a handler calls."""
    for name in known.calls:
        for reason in sorted(set().union(*failures(rpc_of(name), comments).values())):
            if reason in ROUTES.error_codes:
                yield ROUTES.error_codes[reason]
