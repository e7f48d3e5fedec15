"""Answers that a browser may keep if it asks each time whether they still hold: ETag and 304 (RFC 9110, 8.8.3, 13.1.2).

The answer is made in full, and whoever asks is checked, before it is compared: a 304 tells nobody what a 200 would not.
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
"""What names of RPCs begin with that read one (AIP-131); those of lists begin with List or Query."""
KEPT = {"cache-control": "private, no-cache", "vary": "Cookie, Authorization"}
"""Kept by the one browser it was for, and shown again only once we have said that it still holds."""


def is_kept(verb: str, rpc: MethodDescriptor) -> bool:
    """Whether what HTTP reads by this RPC may be kept: one resource may, a list may not."""
    return verb == "GET" and rpc.name.startswith(OF_ONE_RESOURCE)


def answer_to(scope: Scope, body: bytes) -> Response:
    """Return 200 with a JSON body and its ETag, or 304 without one if the request names it."""
    tag = entity_tag(body)
    headers = {"etag": tag.decode(), **KEPT}
    if is_named(tag, [value for name, value in scope["headers"] if name == b"if-none-match"]):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


def entity_tag(body: bytes) -> bytes:
    """Return a strong validator of the bytes: 120 bits of their SHA-256."""
    return b'"%s"' % base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:TAG_BYTES])


def is_named(tag: bytes, if_none_match: list[bytes]) -> bool:
    """Whether If-None-Match, of which there may be several lines, names the tag; tags are compared weakly."""
    value = b", ".join(if_none_match)
    return value.strip() == ANY or tag in ENTITY_TAG.findall(value)
