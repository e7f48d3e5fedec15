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
    """The last row of a page, by time and id. With an empty id, no row of that time is left."""

    time: datetime
    id: str


def encode_cursor(cursor: Cursor, *query: Any) -> str:
    """Return the page token of what lies behind `place` under the filter `query`."""
    return encode_token([(cursor.time - EPOCH) // MILLISECOND, cursor.id], *query)


def decode_cursor(page_token: str, *query: Any) -> Cursor | None:
    """Return the place in a token, None for the first page. Raises InvalidArgument for a token that is not ours."""
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
    """Return what matches the documents behind a place in a list by the time `key` and the id, newest first."""
    if cursor is None:
        return {}
    return {key: {"$lte": cursor.time}, "$or": [{key: {"$lt": cursor.time}}, {"_id": {"$lt": cursor.id}}]}
