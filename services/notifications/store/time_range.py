"""The times of a request, converted for the comparison with stored times."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from runtime.clock import to_milliseconds
from runtime.errors import InvalidArgument


def bound(message: Timestamp, field: str) -> datetime:
    """Return a bound of a time range, rounded up to milliseconds, the precision of stored times.

    So no stored time moves to the other side of the bound. Raises InvalidArgument.
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
