"""Pages by opaque token (AIP-158): what a token holds, and what a page may ask for."""

import base64
import hashlib
import json
import math
from typing import Any

from runtime.errors import InvalidArgument

MAX_PAGE_SIZE = 1_000
MAX_PAGE = 100_000


def page_size(asked: int | None, default: int) -> int:
    """Return how many rows to answer. Raises InvalidArgument outside 1 to 1,000."""
    if asked is None:
        return default
    if not 1 <= asked <= MAX_PAGE_SIZE:
        raise InvalidArgument(
            "INVALID_PAGE_SIZE", f"page_size must be from 1 to {MAX_PAGE_SIZE}, not {asked}", field="page_size"
        )
    return asked


def page_number(asked: int | None, token: str) -> int | None:
    """Return which page was asked for by number, or None. Raises InvalidArgument out of range or beside a token."""
    if asked is None:
        return None
    if token:
        raise InvalidArgument("INVALID_PAGE", "give page or page_token, not both", field="page")
    if not 1 <= asked <= MAX_PAGE:
        raise InvalidArgument("INVALID_PAGE", f"page must be from 1 to {MAX_PAGE}, not {asked}", field="page")
    return asked


def encode_token(after: list[Any], *query: Any) -> str:
    """Return the token of the page that follows the row with the sort key `after`, under the filter `query`."""
    body = json.dumps([_digest(query), after], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).rstrip(b"=").decode()


def decode_token(token: str, *query: Any) -> list[Any] | None:
    """Return the sort key in a token, None for the first page.

    Raises InvalidArgument for a token that is not ours, or was made for another filter. A token is not signed: the
    parts are plain values (text, finite numbers of 64 bits, booleans, null), of whatever type a caller put there.
    """
    if not token:
        return None
    try:
        body = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        digest, after = body
    except (ValueError, TypeError, RecursionError):
        raise _bad_token("page_token is not one of ours") from None
    if not isinstance(after, list) or not all(_is_plain(part) for part in after):
        raise _bad_token("page_token is not one of ours")
    if digest != _digest(query):
        raise _bad_token("page_token belongs to another query: keep the filter and order while paging")
    return after


def _is_plain(part: Any) -> bool:
    """Whether a part may go into a statement: a list or an object could be an operator of the store's."""
    if isinstance(part, int):
        return -(2**63) <= part < 2**63
    return part is None or isinstance(part, str) or (isinstance(part, float) and math.isfinite(part))


def _bad_token(message: str) -> InvalidArgument:
    return InvalidArgument("INVALID_PAGE_TOKEN", message, field="page_token")


def _digest(query: tuple[Any, ...]) -> str:
    return hashlib.sha256(json.dumps(query, default=str).encode()).hexdigest()[:12]
