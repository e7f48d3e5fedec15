"""Pagination with opaque tokens (AIP-158): page sizes, page tokens, and pages limited in bytes."""

import base64
import hashlib
import json
import math
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

from runtime.errors import InvalidArgument

MAX_PAGE_SIZE = 1_000
MAX_PAGE = 100_000
PAGE_BYTES = 1024 * 1024
"""The maximum size of a page, whatever page_size is. gRPC clients refuse messages of more than 4 MiB."""
FRAME_BYTES = 6
"""The maximum size of the tag and the length of a message within its page."""
FIRST_CHUNK = 25
"""The number of rows in the first chunk, enough for most pages. Each further chunk is four times as large."""


class Sized(Protocol):
    def ByteSize(self) -> int:  # noqa: N802  # protobuf's name
        """Return the size on the wire."""


R = TypeVar("R")
M = TypeVar("M", bound=Sized)
Find = Callable[[int, R | None], Awaitable[Sequence[R]]]
"""Takes a limit and a row. Returns at most `limit` rows that follow the row, or the first ones for None."""


class Page(Generic[R, M]):
    """A page of at most `size` messages and at most 1 MiB, but at least one message if there are rows.

    `last` is the row of the last message, None on an empty page. `is_full` means that more rows follow.
    """

    def __init__(self, size: int, encode: Callable[[R], M]) -> None:
        self.messages: list[M] = []
        self.last: R | None = None
        self.is_full = False
        self._size = size
        self._encode = encode
        self._room = PAGE_BYTES

    @property
    def missing(self) -> int:
        """The number of rows to read: those that fit, and one more, which shows whether another page follows."""
        return self._size + 1 - len(self.messages)

    @property
    def next_after(self) -> R | None:
        """The last row of this page if another page follows, else None."""
        return self.last if self.is_full else None

    async def fill(self, rows: AsyncIterable[R]) -> None:
        """Add rows until the page is full. Adds none if reading them fails."""
        messages, last, room = list(self.messages), self.last, self._room
        async for row in rows:
            message = self._encode(row)
            weight = message.ByteSize() + FRAME_BYTES
            if len(messages) >= self._size or (messages and weight > room):
                self.is_full = True
                break
            messages.append(message)
            last, room = row, room - weight
        self.messages, self.last, self._room = messages, last, room

    async def read(self, find: Find[R]) -> None:
        """Fill the page with rows from `find`, in growing chunks, because a few large rows can fill it."""
        async with aclosing(_in_chunks(find, self.missing)) as rows:
            await self.fill(rows)


async def _in_chunks(find: Find[R], most: int) -> AsyncGenerator[R, None]:
    behind: R | None = None
    chunk = FIRST_CHUNK
    while most > 0:
        limit = min(chunk, most)
        rows = await find(limit, behind)
        for row in rows:
            yield row
        if len(rows) < limit:
            return
        behind, most, chunk = rows[-1], most - limit, chunk * 4


def page_size(asked: int | None, default: int) -> int:
    """Return the page size. `asked` is the request's value or None. Raises InvalidArgument outside 1 to 1,000."""
    if asked is None:
        return default
    if not 1 <= asked <= MAX_PAGE_SIZE:
        raise InvalidArgument(
            "INVALID_PAGE_SIZE", f"page_size must be from 1 to {MAX_PAGE_SIZE}, not {asked}", field="page_size"
        )
    return asked


def page_number(asked: int | None, token: str) -> int | None:
    """Return the requested page number or None. Raises InvalidArgument if out of range, or together with a token."""
    if asked is None:
        return None
    if token:
        raise InvalidArgument("INVALID_PAGE", "give page or page_token, not both", field="page")
    if not 1 <= asked <= MAX_PAGE:
        raise InvalidArgument("INVALID_PAGE", f"page must be from 1 to {MAX_PAGE}, not {asked}", field="page")
    return asked


def encode_token(after: list[Any], *query: Any) -> str:
    """Return the token of the page after the row with the sort key `after`. `query` is the filter and order."""
    body = json.dumps([_digest(query), after], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).rstrip(b"=").decode()


def decode_token(token: str, *query: Any) -> list[Any] | None:
    """Return the sort key in a token, None for the first page.

    Raises InvalidArgument for an invalid token, or for a token of another query. Tokens are not signed: the parts are
    scalars (text, finite 64-bit numbers, booleans, null), but a caller can choose their types and values.
    """
    if not token:
        return None
    try:
        body = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        digest, after = body
    except (ValueError, TypeError, RecursionError):
        raise _bad_token("page_token is not valid for this request") from None
    if not isinstance(after, list) or not all(_is_plain(part) for part in after):
        raise _bad_token("page_token is not valid for this request")
    if digest != _digest(query):
        raise _bad_token("page_token belongs to another query: keep the same filter and order for all pages")
    return after


def _is_plain(part: Any) -> bool:
    """Whether a part is safe in a statement. A list or an object could be an operator of the store."""
    if isinstance(part, int):
        return -(2**63) <= part < 2**63
    return part is None or isinstance(part, str) or (isinstance(part, float) and math.isfinite(part))


def _bad_token(message: str) -> InvalidArgument:
    return InvalidArgument("INVALID_PAGE_TOKEN", message, field="page_token")


def _digest(query: tuple[Any, ...]) -> str:
    return hashlib.sha256(json.dumps(query, default=str).encode()).hexdigest()[:12]
