"""Conditional requests: ETag and 304 (RFC 9110, 8.8.3, 13.1.2).

The caller is checked and the answer is made in full before the tags are compared. So a 304 tells no caller more than a
200 would.
"""

import base64
import hashlib
import re

from google.protobuf.descriptor import MethodDescriptor
from starlette.responses import Response
from starlette.types import Scope

TAG_BYTES = 15
ENTITY_TAG = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
ANY = b"*"
OF_ONE_RESOURCE = ("Get", "Count")
"""How the names of RPCs begin that read one resource (AIP-131). Those of lists begin with List or Query."""
CACHEABLE = {"cache-control": "private, no-cache", "vary": "Cookie, Authorization"}
"""Only the browser of the caller stores the answer, and it validates the answer before each use."""


def is_cacheable(verb: str, rpc: MethodDescriptor) -> bool:
    """Whether a browser can store the answer of an RPC: one resource, but no list."""
    return verb == "GET" and rpc.name.startswith(OF_ONE_RESOURCE)


def answer_to(scope: Scope, body: bytes) -> Response:
    """Return 200 with a JSON body and its ETag, or 304 without one if the request names it."""
    tag = entity_tag(body)
    headers = {"etag": tag.decode(), **CACHEABLE}
    if is_named(tag, [value for name, value in scope["headers"] if name == b"if-none-match"]):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


def entity_tag(body: bytes) -> bytes:
    """Return a strong validator of the bytes: 120 bits of their SHA-256."""
    return b'"%s"' % base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:TAG_BYTES])


def is_named(tag: bytes, if_none_match: list[bytes]) -> bool:
    """Whether the lines of If-None-Match name the tag. The comparison is weak."""
    value = b", ".join(if_none_match)
    return value.strip() == ANY or tag in ENTITY_TAG.findall(value)
