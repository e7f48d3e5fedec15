"""The times of a request, as they are compared with stored ones."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from runtime.clock import to_milliseconds
from runtime.errors import InvalidArgument


def bound(message: Timestamp, field: str) -> datetime:
    """Return a bound of a range, rounded up to the milliseconds that times are stored in.

    So no stored time changes sides. Raises InvalidArgument.
    """
    time = time_of(message, field)
    try:
        return to_milliseconds(time + timedelta(microseconds=999))
    except OverflowError:
        return to_milliseconds(time)


def time_of(message: Timestamp, field: str) -> datetime:
    """Return the time in UTC. Raises InvalidArgument, naming the field."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument("INVALID_FIELD", f"{field} is not a time from year 1 to 9999", field=field) from None
