"""Decodes and encodes the messages of log_service.proto."""

from runtime.clock import timestamp
from runtime.errors import InvalidArgument
from runtime.struct_codec import plain
from services.notifications.logs.entries import LogEntry
from services.notifications.logs.levels import Level
from services.notifications.logs.query import LogFilter
from services.notifications.store import json_data
from services.notifications.store.mongo import Document
from services.notifications.store.time_range import bound, time_of
from trivet.notifications.v1 import log_service_pb2 as log

LEVELS: dict["log.LogLevel.ValueType", Level] = {
    log.LOG_LEVEL_DEBUG: "debug",
    log.LOG_LEVEL_INFO: "info",
    log.LOG_LEVEL_WARNING: "warning",
    log.LOG_LEVEL_ERROR: "error",
}
LEVEL_NUMBERS = {level: number for number, level in LEVELS.items()}


def decode_entry(message: log.LogEntry, index: int) -> LogEntry:
    """Return the entry with this index in a batch. Raises InvalidArgument for an invalid time or level."""
    path = f"entries[{index}]"
    return LogEntry(
        message=message.message,
        level=_level(message.level, f"{path}.level") or "info",
        timestamp=time_of(message.timestamp, f"{path}.timestamp") if message.HasField("timestamp") else None,
        user_id=message.user_id,
        endpoint=message.endpoint,
        method=message.method,
        status=message.status,
        duration_ms=message.duration_ms,
        service=message.service,
        trace_id=message.trace_id,
        span_id=message.span_id,
        attributes=plain(message.attributes, f"{path}.attributes"),
    )


def encode_entry(document: Document) -> log.LogEntry:
    message = log.LogEntry(
        id=document["_id"],
        timestamp=timestamp(document["timestamp"]),
        level=LEVEL_NUMBERS[document["level"]],
        message=document["message"],
        user_id=document["userId"],
        endpoint=document["endpoint"],
        method=document["method"],
        status=document["status"],
        duration_ms=document["durationMs"],
        service=document["service"],
        trace_id=document["traceId"],
        span_id=document["spanId"],
    )
    if document["attributes"]:
        message.attributes.update(json_data.restore_keys(document["attributes"]))
    return message


def decode_filter(request: log.QueryLogsRequest) -> LogFilter:
    """Return the filter of the request. Raises InvalidArgument for an invalid time or level."""
    levels = (_level(number, "levels") for number in request.levels)
    return LogFilter(
        start=bound(request.start_time, "start_time") if request.HasField("start_time") else None,
        end=bound(request.end_time, "end_time") if request.HasField("end_time") else None,
        levels=tuple(level for level in levels if level is not None),
        user_id=request.user_id,
        endpoint=request.endpoint,
        method=request.method,
        text=request.text,
    )


def _level(number: "log.LogLevel.ValueType", field: str) -> Level | None:
    if number == log.LOG_LEVEL_UNSPECIFIED:
        return None
    if number not in LEVELS:
        raise InvalidArgument("INVALID_FIELD", f"{field} must be a LogLevel, not {number}", field=field)
    return LEVELS[number]
