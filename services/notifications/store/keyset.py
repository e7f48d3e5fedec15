"""Keyset pagination of lists that are sorted newest first."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.errors import InvalidArgument
from runtime.paging import decode_token, encode_token

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page, by time and id. An empty id means that no row of that time is left."""

    time: datetime
    id: str


def encode_cursor(cursor: Cursor, *query: Any) -> str:
    """Return the page token that continues behind the cursor, for the filter `query` only."""
    return encode_token([(cursor.time - EPOCH) // MILLISECOND, cursor.id], *query)


def decode_cursor(page_token: str, *query: Any) -> Cursor | None:
    """Return the cursor of a token, None for an empty one. Raises InvalidArgument for a token of another query."""
    match decode_token(page_token, *query):
        case None:
            return None
        case [int(milliseconds), str(row_id)]:
            try:
                return Cursor(EPOCH + milliseconds * MILLISECOND, row_id)
            except OverflowError:
                pass
    raise InvalidArgument("INVALID_PAGE_TOKEN", "page_token is not valid for this request", field="page_token")


def older_than(cursor: Cursor | None, key: str) -> dict[str, Any]:
    """Return the filter for the rows behind the cursor in a list, newest first, by the time `key` and the id."""
    if cursor is None:
        return {}
    return {key: {"$lte": cursor.time}, "$or": [{key: {"$lt": cursor.time}}, {"_id": {"$lt": cursor.id}}]}
