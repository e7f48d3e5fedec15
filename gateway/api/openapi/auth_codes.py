"""The codes by which an operation of the Better Auth protocol can refuse a request, each with its status."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from gateway.api.openapi.failures import DEADLINE_EXCEEDED, OF_BODIES, OF_EVERY_REQUEST
from gateway.api.openapi.raised import raised_by
from gateway.api.openapi.reasons import failures
from gateway.auth.protocol import csrf
from gateway.auth.protocol.bodies import read_body
from gateway.auth.protocol.feature import Endpoint
from gateway.auth.protocol.refusals import SERVICE_UNAVAILABLE, VALIDATION_ERROR, ErrorCode
from gateway.auth.protocol.validation import Anything
from gateway.auth.routes import ROUTES
from gateway.http.description import Description
from gateway.middleware.error_handler import INTERNAL

WITHOUT_CODE = (INTERNAL, DEADLINE_EXCEEDED)
"""Causes whose answers have no code below /api/auth: an empty 500, and SERVICE_UNAVAILABLE."""


def rpc_of(name: str) -> MethodDescriptor:
    """Return an RPC by its full name, or by SERVICE.RPC if identity has it."""
    full_name = name if name.startswith("trivet.") else f"trivet.identity.v1.{name}"
    return descriptor_pool.Default().FindMethodByName(full_name)


def codes_of(method: str, endpoint: Endpoint[Any], known: Description, comments: Mapping[str, str]) -> dict[str, int]:
    """Return the codes of an operation with their statuses: of its checks, of its calls, and of its handler."""
    of_middlewares = (*OF_EVERY_REQUEST, *(OF_BODIES if method != "GET" else ()))
    own = raised_by(endpoint.answer, ErrorCode, but=(read_body,))
    error_codes = (*_of_checks(method, endpoint, known), *_of_calls(known, comments), *own)
    found = {cause.reason: cause.http_status for cause in of_middlewares if cause not in WITHOUT_CODE}
    return found | {each.code: each.status for each in (SERVICE_UNAVAILABLE, *error_codes)}


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
        if not endpoint.is_cross_site:
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
