"""Pages by opaque token (AIP-158): what a token holds, what a page may ask for, and where it ends."""

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
"""Where a page ends, however many rows were asked for. gRPC clients refuse a message of more than 4 MiB."""
FRAME_BYTES = 6
"""The tag and the length of a row within its page, at most."""
FIRST_CHUNK = 25
"""The size of the first chunk, enough for a usual page. Each further chunk is four times as large."""


class Sized(Protocol):
    def ByteSize(self) -> int:  # noqa: N802  # protobuf's name
        """Return the size on the wire."""


R = TypeVar("R")
M = TypeVar("M", bound=Sized)
Find = Callable[[int, R | None], Awaitable[Sequence[R]]]
"""Takes a limit and a row. Returns at most `limit` rows that follow the row, or the first ones for None."""


class Page(Generic[R, M]):
    """A page that is being filled: at most `size` messages and at most 1 MiB, but at least one message.

    `last` is the row of the last message, None on an empty page. `is_full` says that other rows follow it.
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
        """The row behind which the next page begins; None if this is the last page."""
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

    Raises InvalidArgument for a token that is not valid, or that was made for another filter. Tokens are not signed:
    the parts are plain values (text, finite numbers of 64 bits, booleans, null), of whatever type a caller put there.
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
    """Whether a part may go into a statement: a list or an object could be an operator of the store's."""
    if isinstance(part, int):
        return -(2**63) <= part < 2**63
    return part is None or isinstance(part, str) or (isinstance(part, float) and math.isfinite(part))


def _bad_token(message: str) -> InvalidArgument:
    return InvalidArgument("INVALID_PAGE_TOKEN", message, field="page_token")


def _digest(query: tuple[Any, ...]) -> str:
    return hashlib.sha256(json.dumps(query, default=str).encode()).hexdigest()[:12]
