"""Converts values that the messages of several domains share: ids, URLs, times and custom fields."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from grpc.aio import ServicerContext

from runtime.clock import timestamp
from runtime.errors import InvalidArgument
from runtime.ids import ALPHABET
from runtime.rpc.actor import current_actor
from runtime.struct_codec import plain
from services.identity.store.control_characters import CONTROLS
from services.identity.store.schema.table import ID_LENGTH
from services.identity.users.custom_fields import CustomFields

Context = ServicerContext[Any, Any]
URL_LENGTH = 2_048
ID_CHARACTERS = frozenset(ALPHABET + "-_")


def optional_timestamp(time: datetime | None) -> Timestamp | None:
    return None if time is None else timestamp(time)


def decode_id(text: str) -> str:
    """Return the id, or "-", which matches no row, for text that cannot be an id.

    Such text must not reach SQL: MySQL ignores trailing spaces, and fails on characters that the column cannot store.
    """
    return text if len(text) <= ID_LENGTH and ID_CHARACTERS.issuperset(text) else "-"


def decode_optional_id(text: str) -> str:
    """Return the id as `decode_id` does, empty if unset."""
    return decode_id(text) if text else ""


def decode_url(text: str, field: str) -> str:
    """Return the URL of a redirect, empty if unset. Raises InvalidArgument (INVALID_URL)."""
    if len(text) > URL_LENGTH or CONTROLS.search(text):
        message = f"{field} must have at most {URL_LENGTH} characters and no control characters"
        raise InvalidArgument("INVALID_URL", message, field=field)
    return text


def decode_additional(given: Struct, fields: CustomFields, field: str) -> dict[str, Any]:
    """Return the values of custom fields by name. Raises InvalidArgument as `CustomFields.validated` does."""
    return fields.validated(plain(given, field), field, by_person=current_actor.get().is_person)


def encode_struct(values: dict[str, Any] | None) -> Struct | None:
    if values is None:
        return None
    message = Struct()
    message.update(values)
    return message


def decode_cursor(after: list[Any] | None) -> tuple[datetime, str] | None:
    """Return the sort key (time, id) in a page token. Raises InvalidArgument (INVALID_PAGE_TOKEN)."""
    if after is None:
        return None
    try:
        time, row_id = after
        parsed = datetime.fromisoformat(time)
        if parsed.tzinfo is None:
            raise ValueError
        # Inside the try: near the limits of datetime, the conversion overflows.
        return parsed.astimezone(UTC), decode_id(row_id)
    except (ValueError, TypeError, OverflowError):
        raise InvalidArgument(
            "INVALID_PAGE_TOKEN", "page_token is not valid for this request", field="page_token"
        ) from None
