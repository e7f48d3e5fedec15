"""Decoding a request's body and query: which media types are allowed, and what is said of what cannot be read."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from gateway.auth.protocol.refusals import BAD_REQUEST, Refusal, refuse
from gateway.http.request_context import header
from runtime import json_text

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 100


async def read_body(request: Request, allowed: Sequence[str]) -> object:
    """Return the decoded body; UNSET if there is none. Raises Refusal (400, 415).

    How large, slow or compressed it may be is decided before (gateway/middleware/body_limit.py).
    """
    raw = await request.body()
    if not raw:
        return msgspec.UNSET
    given = header(request.scope, b"content-type").partition(";")[0].strip().lower()
    if given in allowed:
        return _form(raw) if given == FORM else _json(raw)
    complaint = f'Content-Type "{given}" is not allowed.' if given else "Content-Type is required."
    raise Refusal(415, f"{complaint} Allowed types: {', '.join(allowed)}", "UNSUPPORTED_MEDIA_TYPE")


def query_of(request: Request) -> dict[str, str | list[str]]:
    """Return the query's parameters; one that is there twice is a list, which no route takes."""
    found: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _json(raw: bytes) -> object:
    try:
        return json_text.parse(raw)
    except ValueError:
        raise refuse(BAD_REQUEST) from None


def _form(raw: bytes) -> dict[str, str]:
    """Return a form's fields, the last of several with one name."""
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS))
    except ValueError:
        raise Refusal(400, "Invalid form data in request body", "BAD_REQUEST") from None
