"""Decodes a request's body and query, and refuses media types and malformed bodies."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from gateway.auth.protocol.refusals import BAD_REQUEST, UNSUPPORTED_MEDIA_TYPE, refuse
from gateway.http.request_context import header
from runtime import json_text

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 100


async def read_body(request: Request, allowed: Sequence[str]) -> object:
    """Return the decoded body; UNSET if there is none. Raises Refusal (400, 415).

    Its size, its time and compression were checked before (gateway/middleware/body_limit.py).
    """
    raw = await request.body()
    if not raw:
        return msgspec.UNSET
    media_type = header(request.scope, b"content-type").partition(";")[0].strip().lower()
    if media_type in allowed:
        return _form(raw) if media_type == FORM else _json(raw)
    complaint = f'Content-Type "{media_type}" is not allowed.' if media_type else "Content-Type is required."
    raise refuse(UNSUPPORTED_MEDIA_TYPE, f"{complaint} Allowed types: {', '.join(allowed)}")


def query_of(request: Request) -> dict[str, str | list[str]]:
    """Return the query's parameters. The values of a repeated one are a list, which no route accepts."""
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
    """Return a form's fields. Of several with one name, the last one counts."""
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS))
    except ValueError:
        raise refuse(BAD_REQUEST, "Invalid form data in request body") from None
