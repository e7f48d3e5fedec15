"""Times in UTC, with millisecond precision."""

from collections.abc import Callable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time, truncated to milliseconds, the precision of every store."""
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(time: datetime) -> datetime:
    """Return the time truncated to milliseconds."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def timestamp(time: datetime) -> Timestamp:
    """Return an aware datetime as a protobuf Timestamp."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def from_timestamp(message: Timestamp) -> datetime:
    """Return a protobuf Timestamp as an aware datetime in UTC."""
    return message.ToDatetime(tzinfo=UTC)
